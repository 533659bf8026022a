"""Small control models, one for each way in which the published ones differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.parity_cases import Case, inputs, numbers
from tests.references.networks_cases import CASES

HINT = (8, 12, 16, 24)


@dataclass(frozen=True)
class ControlCase:
    """A control model and the UNet that it acts on.

    Args:
        unet: a case of networks_cases.py.
        kind: of a union, the picture's kind and how many there are.
        adapter: a T2I-Adapter as diffusers is told of it; None for a ControlNet.
    """

    unet: str
    kind: tuple[int, int] | None = None
    adapter: Mapping[str, object] | None = None

    @property
    def case(self) -> Case:
        """The UNet's."""
        return CASES[self.unet]


def adapter(kind: str, channels: tuple[int, ...], factor: int, colours: int) -> Mapping[str, object]:
    return {
        "adapter_type": kind,
        "channels": list(channels),
        "in_channels": colours,
        "downscale_factor": factor,
        "num_res_blocks": 2,
    }


CONTROLS = {
    "v1": ControlCase("v1"),
    "xl": ControlCase("xl"),
    "union": ControlCase("xl", kind=(3, 6)),
    "promax": ControlCase("xl", kind=(7, 8)),
    "adapter": ControlCase("v1", adapter=adapter("full_adapter", (32, 64, 64, 64), 8, 3)),
    "adapter grey": ControlCase("v1", adapter=adapter("full_adapter", (32, 64, 64, 64), 8, 1)),
    "adapter light": ControlCase("v1", adapter=adapter("light_adapter", (32, 64, 64), 8, 3)),
    "adapter xl": ControlCase("xl", adapter=adapter("full_adapter_xl", (32, 64, 128, 128), 16, 3)),
}


def control_inputs(control: ControlCase) -> dict[str, Tensor]:
    """What goes into the networks of a case, two examples of each."""
    given = inputs(control.case)
    height, width = control.case.latents
    hint = numbers("hint", (2, 3, 8 * height, 8 * width)).abs().clamp(0, 1)
    if control.adapter is not None and control.adapter["in_channels"] == 1:
        hint = hint[:, :1]
    return given | {"hint": hint}


def controls_recorded(name: str) -> dict[str, Tensor]:
    """What diffusers said of a case."""
    found = load_file(Path(__file__).with_name("controls.safetensors"))
    return {
        key.partition("/")[2]: torch.as_tensor(t) for key, t in found.items() if key.startswith(f"{name}/")
    }


def control_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Names and sizes of the control model's tensors in diffusers' naming."""
    import json

    found = json.loads(Path(__file__).with_name("controls.json").read_text("utf-8"))
    return {key: tuple(shape) for key, shape in found[name].items()}
