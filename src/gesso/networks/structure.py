"""Building layers from the tensors a file has: their names and shapes say what to build.

Every network here takes `shapes`, the file's tensor names (relative to the network) and sizes, and makes
exactly the layers that those tensors fill. A narrower, shallower or pruned model needs no other code.
"""

from collections.abc import Mapping
from itertools import pairwise
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.errors import TensorMismatch

__all__ = [
    "ActivatedNorm",
    "Joined",
    "Shapes",
    "activated_norm",
    "channels",
    "conv",
    "count",
    "embedding",
    "group_norm",
    "layer_norm",
    "linear",
    "parameter",
    "under",
    "whole",
    "wired",
]

Shapes = Mapping[str, tuple[int, ...]]


class Part(dict[str, tuple[int, ...]]):
    """Some of a network's tensors, named relative to their place in it.

    Args:
        place: what their names had in front, for errors.
    """

    def __init__(self, shapes: Shapes, place: str) -> None:
        super().__init__(shapes)
        self.place = place


def under(shapes: Shapes, prefix: str) -> Part:
    """The tensors whose names start with a prefix, named without it."""
    cut = len(prefix)
    found = {name[cut:]: shape for name, shape in shapes.items() if name.startswith(prefix)}
    return Part(found, whole(shapes, prefix))


def whole(shapes: Shapes, name: str) -> str:
    """A tensor's name within the network."""
    return (shapes.place if isinstance(shapes, Part) else "") + name


def count(shapes: Shapes, prefix: str) -> int:
    """How many numbered members a list has: one more than the highest i in `prefix.i.`, 0 if none."""
    start = f"{prefix}."
    indices = (name[len(start) :].partition(".")[0] for name in shapes if name.startswith(start))
    return max((int(index) + 1 for index in indices if index.isdecimal()), default=0)


def size(shapes: Shapes, name: str, ndim: int) -> tuple[int, ...]:
    """The shape of one tensor.

    Raises:
        TensorMismatch: it is not there, or has another number of dimensions.
    """
    shape = shapes.get(name)
    if shape is None:
        raise TensorMismatch(
            f"the network must have the tensor {whole(shapes, name)}, however: it is missing"
        )
    if len(shape) != ndim or not prod(shape):
        raise TensorMismatch(
            f"{whole(shapes, name)} must have {ndim} dimensions, however: its shape is {tuple(shape)}"
        )
    return tuple(shape)


def wired(shapes: Shapes, *names: str, halves: bool = False) -> None:
    """Check that each layer takes as many channels as the one before gives.

    Args:
        names: layers in the order that numbers pass through them; a norm gives what it takes.
        halves: whether every layer gives twice what goes on, as before a gate.

    Raises:
        TensorMismatch: two of them do not fit; names the later.
    """
    for before, after in pairwise(names):
        given = channels(shapes, before)[1] // (2 if halves else 1)
        taken = channels(shapes, after)[0]
        if given != taken:
            raise TensorMismatch(
                f"{whole(shapes, after)}.weight must take the {given} channels that {before} gives, "
                f"however: it takes {taken}"
            )


def channels(shapes: Shapes, name: str) -> tuple[int, int]:
    """How many channels a layer takes and gives."""
    weight = f"{name}.weight"
    given, *taken = size(shapes, weight, max(1, len(shapes.get(weight, ()))))
    return (taken or [given])[0], given


def conv(shapes: Shapes, name: str, *, stride: int = 1, padding: int | None = None) -> nn.Conv2d:
    """A 2-D convolution that keeps the picture's size unless told otherwise."""
    out, inp, kernel, _ = size(shapes, f"{name}.weight", 4)
    margin = kernel // 2 if padding is None else padding
    return nn.Conv2d(inp, out, kernel, stride, margin, bias=f"{name}.bias" in shapes)


def linear(shapes: Shapes, name: str) -> nn.Linear:
    """A linear layer."""
    out, inp = size(shapes, f"{name}.weight", 2)
    return nn.Linear(inp, out, bias=f"{name}.bias" in shapes)


def embedding(shapes: Shapes, name: str) -> nn.Embedding:
    """A table of vectors."""
    # nn.Embedding draws its first numbers, and on the meta device that imports the whole compiler
    return nn.Embedding.from_pretrained(torch.empty(size(shapes, f"{name}.weight", 2)), freeze=False)


def group_norm(shapes: Shapes, name: str, eps: float) -> nn.GroupNorm:
    """Group normalisation over 32 groups; a width that 32 does not divide gets the most groups that do."""
    (width,) = size(shapes, f"{name}.weight", 1)
    groups = next(n for n in range(min(32, width), 0, -1) if width % n == 0)
    return nn.GroupNorm(groups, width, eps)


class ActivatedNorm(nn.GroupNorm):
    """Group normalisation and the SiLU that follows it in every block here."""

    def forward(
        self,
        input: Float[Tensor, "b c *s"],  # noqa: A002 - torch's name
        shift: Float[Tensor, "b c"] | None = None,
    ) -> Float[Tensor, "b c *s"]:
        """The activated numbers.

        Args:
            shift: added to every position before.
        """
        x = input if shift is None else input + shift[:, :, None, None]
        return functional.silu(super().forward(x))


class Joined(nn.Module):
    """The joint of a residual connection, a place of its own for machines that can do both at once."""

    def forward(self, x: Float[Tensor, "b ..."], layer: nn.Module, *given: Tensor) -> Float[Tensor, "b ..."]:
        """What was there and what a layer makes of the rest, added."""
        return x + layer(*given)


def activated_norm(shapes: Shapes, name: str, eps: float) -> ActivatedNorm:
    """Group normalisation as `group_norm`, with a SiLU behind it."""
    plain = group_norm(shapes, name, eps)
    return ActivatedNorm(plain.num_groups, plain.num_channels, eps)


def layer_norm(shapes: Shapes, name: str) -> nn.LayerNorm:
    """Layer normalisation."""
    (width,) = size(shapes, f"{name}.weight", 1)
    return nn.LayerNorm(width)


def parameter(shapes: Shapes, name: str, ndim: int) -> nn.Parameter:
    """A weight that belongs to no layer."""
    return nn.Parameter(torch.empty(size(shapes, name, ndim)))
