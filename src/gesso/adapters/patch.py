"""A patch: what one module of an adapter file changes at one place of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod, sqrt

import torch
from torch import Tensor

from gesso.adapters.algebra import ALGEBRAS, Algebra, decomposed, unrounded
from gesso.adapters.site import Site

__all__ = ["Loaded", "LowRank", "Patch"]

ROUNDED = ("bias_steps", "bias_lowest", "bias_highest")
"""A bias in 256 steps."""
BESIDE = frozenset({"alpha", "dora", "magnitude", "scalar", "bias", *ROUNDED})
"""Roles that go with any algebra."""


@dataclass(frozen=True)
class Stated:
    """What metadata says of alpha for a file that has no tensors of it.

    Args:
        alpha: None where nothing is said: then the scale is 1.
        root: alpha is divided by the root of the rank (rsLoRA), not by the rank.
    """

    alpha: float | None = None
    root: bool = False


@dataclass(frozen=True)
class LowRank:
    """A change of low rank, ready to run beside its layer.

    Args:
        down: inputs to rank, [r i] or, for convolutions, [r i h w].
        mid: a convolution within the rank, [r r h w], for convolutions only.
        up: rank to outputs, [o r].
    """

    down: Tensor
    mid: Tensor | None
    up: Tensor
    scale: float


@dataclass(frozen=True)
class Patch:
    """What one module of an adapter file changes at one place.

    Args:
        module: its name in the file.
        site: the place.
        names: role → the tensor's name in the file.
        stated: what is known of alpha beside the tensors.
    """

    module: str
    site: Site
    names: Mapping[str, str]
    stated: Stated = Stated()

    @property
    def algebra(self) -> Algebra | None:
        """Its kind; None if it changes a bias alone, or if its tensors make no known kind."""
        return ALGEBRAS.get(frozenset(self.names) - BESIDE)

    def problem(self, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
        """Why its tensors cannot be used here, from their sizes alone; None if they can.

        Args:
            shapes: every tensor of the file.
        """
        roles = frozenset(self.names) - BESIDE
        biases = [role for role in ("bias", "bias_steps") if role in self.names]
        if self.algebra is None and (roles or not biases):
            return f"its tensors ({', '.join(sorted(self.names))}) make no known kind of adapter"
        sizes = {role: shapes[name] for role, name in self.names.items()}
        if biases and self.site.bias is None:
            return "the layer has no bias to change"
        if biases and sizes[biases[0]] != self.site.shape[:1]:
            return f"its bias has {sizes[biases[0]]} numbers and the layer {self.site.shape[0]} outputs"
        try:
            Loaded(self, _blank(sizes, self.site.shape)).change(torch.empty(self.site.shape, device="meta"))
        except (RuntimeError, ValueError):
            key = next((role for role in ("down", "up") if role in sizes), next(iter(sizes)))
            return f"{self.names[key]} is {sizes[key]}, and the layer's weight is {self.site.shape}"
        return None


@dataclass(frozen=True)
class Loaded:
    """A patch with its tensors: role → tensor."""

    patch: Patch
    tensors: Mapping[str, Tensor]

    @property
    def scale(self) -> float:
        """Alpha over the rank; 1 where no alpha is known."""
        algebra = self.patch.algebra
        rank = None if algebra is None else algebra.divisor(self.tensors)
        if rank is None:
            return self._scalar
        found = self.tensors.get("alpha")
        if found is not None:
            return self._scalar * (1.0 if found.is_meta else float(found)) / rank
        stated = self.patch.stated
        if stated.alpha is None:
            return self._scalar
        return self._scalar * stated.alpha / (sqrt(rank) if stated.root else rank)

    @property
    def _scalar(self) -> float:
        """A trained factor that some files keep apart."""
        found = self.tensors.get("scalar")
        return 1.0 if found is None or found.is_meta else float(found)

    def change(self, weight: Tensor) -> Tensor:
        """What is added to the weight at strength 1, in float32.

        Args:
            weight: the checkpoint's own, float32, as the patch's site sees it.
        """
        algebra = self.patch.algebra
        if algebra is None:
            return torch.zeros_like(weight)
        wide = {
            # a flag is read, wherever the weight is
            role: tensor if role == "on_input" else tensor.to(weight.device, torch.float32)
            for role, tensor in self.tensors.items()
        }
        delta = algebra.delta(wide, weight) * self.scale
        magnitude = wide.get("dora")
        if magnitude is None and "magnitude" in wide:
            # peft's goes along the outputs, whatever its shape
            magnitude = wide["magnitude"].flatten()
        return delta if magnitude is None else decomposed(weight, delta, magnitude)

    def bias(self) -> Tensor | None:
        """What is added to the bias at strength 1."""
        if ROUNDED[0] in self.tensors:
            steps, lowest, highest = (self.tensors[role].float() for role in ROUNDED)
            return unrounded(steps, lowest, highest)
        return self.tensors.get("bias")

    def low_rank(self) -> LowRank | None:
        """The same change as a path beside the layer; None where the kind has none."""
        if set(self.patch.names) - {"up", "down", "mid", "alpha", "scalar", "bias"}:
            return None
        if "up" not in self.tensors:
            return None
        down, mid, up = self.tensors["down"], self.tensors.get("mid"), self.tensors["up"].flatten(1)
        kernel = self.patch.site.shape[1:] if mid is None else (-1, 1, 1)
        return LowRank(down.reshape(down.shape[0], *kernel), mid, up, self.scale)


def _blank(sizes: Mapping[str, tuple[int, ...]], weight: tuple[int, ...]) -> dict[str, Tensor]:
    """Tensors of these sizes without memory; a flag needs a value all the same: the one that would fit."""
    found = {role: torch.empty(size, device="meta") for role, size in sizes.items()}
    if "on_input" in found:
        found["on_input"] = torch.tensor(prod(sizes.get("ia3", ())) == weight[1])
    return found
