"""A ControlNet in training.

Source: Zhang et al. 2023, arXiv:2302.05543, section 3.3.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from gesso.checkpoint.write import save
from gesso.errors import RequestError
from gesso.model import Model
from gesso.networks.control_net import HINT_WIDTHS, grown
from gesso.networks.unet import Additions, UNet
from gesso.training.subjects.base import Asked, Saving, Use

__all__ = ["Control"]

PREFIX = "control_model."


class Control:
    """A new ControlNet for a model's UNet, which stays as it is.

    Args:
        generator: decides how the hint is read at first.
    """

    def __init__(self, model: Model, generator: torch.Generator) -> None:
        unet = cast(UNet, model.networks["unet"])
        halvings = model.vae.factor.bit_length() - 1
        if halvings >= len(HINT_WIDTHS):
            raise RequestError(f"a ControlNet must halve its hint 1 to 3 times, however: {halvings}")
        hint = (*HINT_WIDTHS[:halvings], HINT_WIDTHS[-1])
        self.network = grown(unet, model.identity.facts.heads, generator, hint).float().to(model.device)
        self.module = nn.ModuleDict({"control": self.network})

    @contextmanager
    def learning(self) -> Generator[None]:
        """It is asked at every call."""
        yield

    def additions(self, asked: Asked) -> Additions | None:
        """What it adds to skips and middle.

        Raises:
            RequestError: the pictures have no hints.
        """
        if asked.hints is None:
            raise RequestError("a ControlNet must be shown hints, however: the data have none")
        network = self.network
        vector = None if asked.vector is None else asked.vector.float()
        hint = network.input_hint_block(asked.hints.float())
        return network(asked.inputs.float(), asked.t, asked.context.float(), vector, hint).to(
            asked.inputs.dtype
        )

    def use(self, path: Path) -> Use:
        """A control model of every picture, on the model it was trained on."""
        return Use(fields=lambda hint: {"controls": ({"model": path, "image": hint},)})

    def write(self, path: Path, weights: Mapping[str, Tensor], saving: Saving) -> None:
        """Write the network under the names of the published files."""
        tensors = {PREFIX + name.removeprefix("control."): weight for name, weight in weights.items()}
        save(path, tensors, metadata=saving.metadata, dtype=saving.dtype or torch.float16)
