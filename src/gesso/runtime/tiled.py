"""Weights laid out as the matrix unit takes them, tile by tile, for kernels of our own.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18: tiles of pairs.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.runtime.kept import Kept, pairs
from gesso.runtime.native.product import COLUMNS, DEPTH, PANEL, Layout, Multiplier

__all__ = ["Tiled", "layout_of"]


class Tiled(Kept):
    """A weight in the order in which it is multiplied, which holds it alone: no second copy is kept.

    Args:
        weight: the plain weight, which is not kept.
        layout: its order, kept as `how`.
        multiplier: the kernels.
    """

    numbers: Tensor
    how: Layout
    multiplier: Multiplier

    @staticmethod
    def __new__(cls: type["Tiled"], weight: Tensor, layout: Layout, multiplier: Multiplier) -> "Tiled":
        """A tensor without numbers of its own."""
        made = cast(Tiled, Kept.__new__(cls, weight))
        made.numbers = multiplier.lay_out(weight, layout)
        made.how, made.multiplier = layout, multiplier
        return made

    def plain(self) -> Tensor:
        """The weight as the file has it."""
        how = self.how
        panels, steps, side = how.across // PANEL, how.deep // DEPTH // how.parts, how.side
        shape = (panels, how.parts, side, side, steps, 2, DEPTH // 2, COLUMNS, 2)
        # panel, half and column; part, step, pair and its two; the kernel's rows and columns
        halves = (5, 0, 7) if how.halved else (0, 5, 7)
        found = (
            self.numbers.view(shape)
            .permute(*halves, 1, 4, 6, 8, 2, 3)
            .reshape(how.across, how.deep, side, side)
        )
        return found.contiguous(memory_format=torch.channels_last) if self.ndim == 4 else found.flatten(1)

    def answers(self, func: Callable[..., Any]) -> Callable[..., Tensor] | None:
        """Our own product, where nobody asks for gradients."""
        if torch.is_grad_enabled():
            return None
        return _linear if func is functional.linear else _convolution

    def convolved(
        self,
        x: Tensor,
        bias: Tensor | None,
        pad: tuple[int, ...],
        add: Tensor | None = None,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        """The convolution of a map, and what is added to it; into a place, if there is one for it."""
        last, more = (
            each if each is None else each.contiguous(memory_format=torch.channels_last) for each in (x, add)
        )
        assert last is not None
        return self.multiplier.convolution(last, (self.numbers, self.how), bias, pad, more, out=out)

    def gated(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """The first half of the product with each row, times the GELU of the second."""
        return self.multiplier.rows(x.contiguous(), (self.numbers, self.how), bias, gates=True)


def layout_of(layer: nn.Conv2d | nn.Linear, *, halved: bool = False) -> Layout | None:
    """How a layer's weight is laid out; None where our kernels cannot multiply by it, or gain nothing.

    Args:
        halved: whether the first half of what the layer gives is gated by the second.
    """
    across, deep, *sides = layer.weight.shape
    if across % (2 * PANEL if halved else PANEL) or deep % DEPTH:
        return None
    if isinstance(layer, nn.Linear):
        return Layout(across, deep, 1, halved) if halved else None
    square = sides[0] == sides[1] > 1 and layer.groups == 1
    known = square and _ours(sides[0], layer.stride, layer.padding, layer.dilation)
    return Layout(across, deep, sides[0], halved) if known else None


def _ours(side: int, stride: Any, padding: Any, dilation: Any) -> bool:
    """Whether our kernels know such a convolution."""
    if isinstance(padding, str):
        return False
    pad, *ones = pairs(padding, stride, dilation)
    return max(pad) < side and all(each == (1, 1) for each in ones)


def _linear(x: Float[Tensor, "*n i"], weight: Tiled, bias: Tensor | None = None) -> Float[Tensor, "*n o"]:
    return weight.multiplier.rows(x.contiguous(), (weight.numbers, weight.how), bias, gates=False)


def _convolution(
    x: Float[Tensor, "b i h w"],
    weight: Tiled,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Float[Tensor, "b o h2 w2"]:
    if groups == 1 and _ours(weight.how.side, stride, padding, dilation):
        return weight.convolved(x, bias, pairs(cast(Any, padding))[0])
    return functional.conv2d(x, weight.plain(), bias, stride, padding, dilation, groups)
