"""Quantised weights: whole numbers of 8 or 4 bits with a scale for every channel or group.

Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference" (symmetric, one scale for each output channel); groups: Shen et al. 2020, "Q-BERT", section 3.2.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_input

from gesso.runtime.kept import Kept, pairs
from gesso.runtime.native.whole import Rounder
from gesso.runtime.products import Products

__all__ = ["GRIDS", "Grid", "Quantized", "fitting", "quantized"]

PIECE = 2**18
"""Numbers that are rounded at once, so that what is made meanwhile stays in the caches."""
TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class Grid:
    """What weights are rounded to: whole multiples of a scale.

    Args:
        bits: of each number.
        group: how many inputs of an output channel share a scale; None: all of them.
        faithful: the least signal to noise of a weight, in dB, with which it may be rounded so.
        clips: shares of a group's largest number at which the grid may end; the most faithful is taken.
    """

    bits: int
    group: int | None
    faithful: float
    clips: tuple[float, ...] = (1.0,)

    @property
    def top(self) -> int:
        """The largest multiple."""
        return 2 ** (self.bits - 1) - 1


GRIDS = {
    "int8": (Grid(8, None, 37.0),),
    "int4": (Grid(4, 32, 19.9, (1.0, 0.9, 0.8)), Grid(8, None, 37.0)),
}
"""What a weight may be rounded to, the narrowest first; what suits none of them stays as it is.

The bounds lie under what evenly spread weights have (43 and 20.6 dB), and over what a few far numbers leave.
"""


class Quantized(Kept):
    """A weight rounded to a grid: its codes and scales are all that is kept.

    Layers multiply with the rounded weight, and gradients pass through it to their input, for which it is
    rounded out anew instead of kept.

    Args:
        weight: the plain weight, which is not kept.
        codes: in rows of output channels, inputs in memory's order (channels last): int8 [o, g, n], or two
            numbers a byte, uint8 [o, g, n / 2], plus 8, a group's first half in the low bits.
        scales: in the weight's type [o, g, 1].
    """

    grid: Grid
    codes: Tensor
    scales: Tensor
    products: Products | None
    """What multiplies whole numbers with it, and then holds its codes; None until somebody wants that."""
    fidelity: float
    """Signal to noise of the rounded weight, in dB: that of a layer's answer to inputs that are alike in all
    channels. Infinite without noise."""

    @staticmethod
    def __new__(
        cls: type["Quantized"], weight: Tensor, grid: Grid, codes: Tensor, scales: Tensor
    ) -> "Quantized":
        """A tensor without numbers of its own."""
        made = cast(Quantized, Kept.__new__(cls, _ordered(weight)))
        made.grid, made.codes, made.scales, made.products = grid, codes, scales, None
        return made

    def taken(self) -> int:
        """Codes and scales."""
        return self.numel() * self.grid.bits // 8 + self.scales.nbytes

    def plain(self) -> Tensor:
        """The rounded weight in the type it had."""
        if self.products is None:
            codes = _codes(self.codes, self.grid)
        else:
            codes = self.products.codes().movedim(1, -1).reshape(len(self.scales), 1, -1)
        return _shaped(codes.to(self.dtype).mul_(self.scales), self.shape)

    def multiplied(self, rounder: Rounder) -> bool:
        """From now on layers' inputs are rounded too, where nobody asks for gradients.

        Returns:
            Whether that changes anything: it is for numbers of 8 bits with one scale for each channel.
        """
        if self.products is not None or self.codes.dtype != torch.int8 or self.scales.shape[1] > 1:
            return False
        codes = _shaped(self.codes, self.shape)
        self.products = Products(rounder, codes, self.scales.flatten().float())
        self.codes = self.codes.new_empty(0)
        return True

    def answers(self, func: Callable[..., Any]) -> Callable[..., Tensor] | None:
        """A product of whole numbers; with gradients, that of the rounded weight, which is not kept."""
        if torch.is_grad_enabled():
            return _FUNCTIONS[func]
        return None if self.products is None else _WHOLE[func]


def fitting(weight: Float[Tensor, "o i ..."], grids: Iterable[Grid]) -> Tensor:
    """The weight rounded to the first grid that is faithful to it, or itself.

    Args:
        weight: of a linear layer or a convolution without groups.
    """
    for grid in grids:
        made = quantized(weight, grid)
        if made is not None and made.fidelity >= grid.faithful:
            return made
    return weight


def quantized(weight: Float[Tensor, "o i ..."], grid: Grid) -> Quantized | None:
    """The weight rounded to the nearest numbers of a grid; None where its groups do not come out even."""
    rows = _ordered(weight).movedim(1, -1).reshape(len(weight), -1)
    group = grid.group or rows.shape[1]
    if rows.shape[1] % group:
        return None
    groups = rows.view(len(rows), -1, group)
    parts = [_rounded(some, grid) for some in groups.split(max(1, PIECE // rows.shape[1]))]
    codes, scales, off, signal = zip(*parts, strict=True)
    made = Quantized(weight, grid, torch.cat(codes), torch.cat(scales))
    made.fidelity = 10 * math.log10(sum(signal) / sum(off)) if sum(off) else math.inf
    return made


def _ordered(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight.contiguous()


def _rounded(groups: Float[Tensor, "o g n"], grid: Grid) -> tuple[Tensor, Tensor, float, float]:
    """Codes, scales, squared noise and signal; of several grids for a group, that which is nearest to it."""
    wide = groups.float()
    most = wide.abs().amax(-1, keepdim=True) / grid.top
    tries = [_near(wide, (most * clip).to(groups.dtype), grid.top) for clip in grid.clips]
    codes, scales, off = tries[0]
    for other, smaller, further in tries[1:]:
        better = further < off
        codes, scales = torch.where(better, other, codes), torch.where(better, smaller, scales)
        off = torch.where(better, further, off)
    return _folded(codes.to(torch.int8), grid), scales, float(off.sum()), float(wide.square().sum())


def _near(wide: Tensor, scales: Tensor, top: int) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest multiples, their scales, and how far off they are."""
    step = scales.float()
    # a group of zeros has a step of zero
    codes = (wide / step.clamp_min(TINY)).round_().clamp_(-top, top)
    multiples = (codes * step).to(scales.dtype)
    return codes, scales, (multiples - wide).square_().sum(-1, keepdim=True)


def _folded(codes: Tensor, grid: Grid) -> Tensor:
    """Two to the byte, where they are that small."""
    if grid.bits != 4:
        return codes
    low, high = (codes + 8).to(torch.uint8).chunk(2, -1)
    return low | high << 4


def _shaped(rows: Float[Tensor, "o g n"], shape: torch.Size) -> Tensor:
    """Rows of output channels as a weight."""
    if len(shape) != 4:
        return rows.view(shape)
    outputs, inputs, *sides = shape
    return rows.view(outputs, *sides, inputs).permute(0, 3, 1, 2)


def _codes(kept: Tensor, grid: Grid) -> Tensor:
    if grid.bits != 4:
        return kept
    return torch.cat((kept & 15, kept >> 4), -1).to(torch.int8) - 8


class _Product(torch.autograd.Function):
    """A layer's function of its input, the weight being fixed: on the way back it is made anew."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Quantized, function: Callable[..., Tensor], how: Any) -> Tensor:
        ctx.read, ctx.how, ctx.like = weight.plain, how, torch.empty_like(x, device="meta")
        return function(x, weight.plain(), **how)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,), weight = grads, ctx.read().to(grads[0].dtype)
        back = conv2d_input(ctx.like.shape, weight, grad, **ctx.how) if weight.ndim == 4 else grad @ weight
        return back.to(ctx.like.dtype), None, None, None


def _linear(x: Tensor, weight: Quantized, bias: Tensor | None = None) -> Tensor:
    found = cast(Tensor, _Product.apply(x, weight, functional.linear, {}))
    return found if bias is None else found + bias.to(found.dtype)


def _convolution(
    x: Tensor,
    weight: Quantized,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    found = cast(Tensor, _Product.apply(x, weight, functional.conv2d, how))
    return found if bias is None else found + bias.to(found.dtype)[:, None, None]


_FUNCTIONS: dict[Callable[..., Any], Callable[..., Tensor]] = {
    functional.linear: _linear,
    functional.conv2d: _convolution,
}


def _whole_linear(x: Tensor, weight: Quantized, bias: Tensor | None = None) -> Tensor:
    if weight.products is None or not _suits(x):
        return functional.linear(x, weight.plain(), bias)
    return weight.products.linear(x, bias)


def _whole_convolution(
    x: Tensor,
    weight: Quantized,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    if weight.products is None or not _suits(x):
        return functional.conv2d(x, weight.plain(), bias, stride, padding, dilation, groups)
    return weight.products.convolution(x, bias, pairs(stride, padding, dilation))


def _suits(x: Tensor) -> bool:
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and bool(x.numel())


_WHOLE: dict[Callable[..., Any], Callable[..., Tensor]] = {
    functional.linear: _whole_linear,
    functional.conv2d: _whole_convolution,
}
