"""Full-size control models of random weights beside diffusers: the UNet's answer with one at work.

    python -m benchmarks.parity_control v1 adapter union
    python -m benchmarks.parity_control xl           # 24 GiB

Weights and inputs come from names (benchmarks/parity_cases.py). The largest difference is told as a share of
the output's maximum; beyond 1e-4 the command fails.
"""

import argparse
import gc
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks import control_oracle, parity_gesso
from benchmarks.parity import CASES
from benchmarks.parity_cases import Case, inputs, numbers, weight
from gesso.checkpoint.shapes import Shapes
from gesso.conditioning.conditioning import Conditioning
from gesso.control.acting import Acting, AdapterGuide, Guide, NetGuide, Strength
from gesso.control.base import Base
from gesso.control.file import open_control
from gesso.control.fit import adapter_places
from gesso.denoiser import Call
from gesso.families.unet_plan import unet_shapes
from gesso.networks.control_net import HINT_WIDTHS, ControlNet
from gesso.networks.t2i_adapter import T2IAdapter
from gesso.networks.unet import UNet

BOUND = 1e-4
LATENTS = (16, 16)


V1, XL = (replace(CASES[name], latents=LATENTS) for name in ("sd-v1", "sdxl-base"))


@dataclass(frozen=True)
class Compared:
    """A control model to compare.

    Args:
        case: the UNet's.
        kind: of a union, the picture's kind and how many there are.
        channels: a T2I-Adapter's widths; None for a ControlNet.
    """

    case: Case
    kind: tuple[int, int] | None = None
    channels: tuple[int, ...] | None = None

    @property
    def adapter(self) -> dict[str, object]:
        """A T2I-Adapter as diffusers is told of it."""
        large = self.case is XL
        return {
            "adapter_type": "full_adapter_xl" if large else "full_adapter",
            "channels": list(self.channels or ()),
            "downscale_factor": 16 if large else 8,
        }


COMPARED = {
    "v1": Compared(V1),
    "adapter": Compared(V1, channels=(320, 640, 1280, 1280)),
    "xl": Compared(XL),
    "union": Compared(XL, kind=(3, 6)),
    "adapter-xl": Compared(XL, channels=(320, 640, 1280, 1280)),
}


def given(case: Case) -> dict[str, Tensor]:
    """One example of what goes in."""
    whole = inputs(case)
    height, width = case.latents
    hint = numbers("hint", (1, 3, 8 * height, 8 * width)).abs().clamp(0, 1)
    return {name: tensor[:1] for name, tensor in whole.items()} | {"hint": hint}


def said(each: Compared, told: dict[str, Tensor]) -> dict[str, Tensor]:
    """Diffusers' outputs."""
    shapes = unet_shapes(each.case.plan.unet)
    unet = {name: weight(name, shape) for name, shape in shapes.items()}
    if each.channels is not None:
        return control_oracle.adapter(each.case, unet, each.adapter, told)
    return control_oracle.control_net(each.case, unet, HINT_WIDTHS, told, each.kind)


def ours(each: Compared, told: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """The same from gesso, by way of a file in diffusers' naming."""
    kinds = 0 if each.kind is None else each.kind[1]
    names = (
        control_oracle.control_net_shapes(each.case, HINT_WIDTHS, kinds)
        if each.channels is None
        else control_oracle.adapter_shapes(each.adapter)
    )
    path = folder / "control.safetensors"
    save_file({name: weight(name, shape) for name, shape in names.items()}, path)
    base = Base("full size", Shapes(unet_shapes(each.case.plan.unet)), each.case.unet_heads)
    guide = guided(path, base, None if each.kind is None else each.kind[0])
    with torch.device("meta"):
        unet = UNet(base.unet, base.heads)
    weights = {name: weight(name, shape) for name, shape in base.unet.items()}
    unet.load_state_dict(weights, strict=True, assign=True)
    cond = Conditioning(told["context"], parity_gesso.vector(each.case, told))
    acting = Acting(guide, told["hint"], Strength((1.0,) * len(guide.soft)), (0.0, 99.0))
    with acting.during(Call(unet, told["x"], told["t"], 1.0, cond)) as additions:
        assert additions is not None
        answer = unet(told["x"], told["t"], cond.context, cond.vector, additions)
    found = additions.middle
    return {"answer": answer, "middle": additions.inputs[max(additions.inputs)] if found is None else found}


def guided(path: Path, base: Base, kind: int | None) -> Guide:
    """A control model's network with its weights in."""
    found = open_control(path, base)
    tensors = dict(found.file.tensors(found.sources))
    found.network.load_state_dict(tensors, strict=True, assign=True)
    if isinstance(found.network, ControlNet):
        return NetGuide(found.network, kind)
    assert isinstance(found.network, T2IAdapter)
    return AdapterGuide(found.network, adapter_places(base), len(base.widths) - 1)


def main() -> None:
    """Compare, and print each difference."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("names", nargs="*", default=list(COMPARED), choices=list(COMPARED))
    worst = 0.0
    for name in options.parse_args().names:
        each = COMPARED[name]
        told = given(each.case)
        with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
            wanted = {key: tensor.clone() for key, tensor in said(each, told).items()}
            gc.collect()
            found = ours(each, told, Path(folder))
        for key, tensor in wanted.items():
            share = float((found[key] - tensor).abs().max() / tensor.abs().max())
            worst = max(worst, share)
            print(f"{name:12} {key:8} {share:.1e}", flush=True)
        del found
        gc.collect()
    sys.exit(worst > BOUND)


if __name__ == "__main__":
    main()
