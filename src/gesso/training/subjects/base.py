"""The Subject: what is trained. It names parameters, knows how they are written and how they act."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from gesso.networks.unet import Additions

__all__ = ["Asked", "Saving", "Subject", "Use"]


@dataclass(frozen=True)
class Use:
    """How what was trained is painted with.

    Args:
        model: the checkpoint, where it is another than the one that training began from.
        vae: a file that takes the place of the checkpoint's autoencoder, or of half of it.
        fields: the picture that a ControlNet is shown → fields of a request that take the file in.
    """

    model: Path | None = None
    vae: Path | None = None
    fields: Callable[[Path | None], Mapping[str, object]] = lambda _: {}


@dataclass(frozen=True)
class Asked:
    """One call of the UNet in training, as a subject may want to add to it.

    Args:
        inputs: noisy latents scaled for the network, [b c h w].
        hints: what a ControlNet is shown, 0…1, [b 3 H W]; None where the data have none.
    """

    inputs: Tensor
    t: Tensor
    context: Tensor
    vector: Tensor | None
    hints: Tensor | None


@dataclass(frozen=True)
class Saving:
    """How files are written.

    Args:
        metadata: text to put beside the tensors.
        dtype: what numbers are kept as; None leaves it to the subject.
        markers: empty tensors that tell other programs what the network names.
    """

    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    dtype: torch.dtype | None = None
    markers: tuple[str, ...] = ()


class Subject(Protocol):
    """What is trained."""

    @property
    def module(self) -> nn.Module:
        """Its parameters, those of each part of the model under the part's name."""
        ...

    def learning(self) -> AbstractContextManager[None]:
        """Acts in the model while the block runs."""
        ...

    def additions(self, asked: Asked) -> Additions | None:
        """What it adds inside the UNet at a call."""
        ...

    def write(self, path: Path, weights: Mapping[str, Tensor], saving: Saving) -> None:
        """Write a file that `generate` takes.

        Args:
            weights: of the parameters, by their names in the module: the trained ones or their average.
        """
        ...

    def use(self, path: Path) -> Use:
        """How that file is painted with."""
        ...
