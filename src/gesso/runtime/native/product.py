"""Products with weights laid out for the matrix unit, by the kernels."""

import ctypes
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import BFloat16
from torch import Tensor

__all__ = ["COLUMNS", "DEPTH", "PANEL", "Layout", "Multiplier"]

DEPTH, COLUMNS, PANEL = 32, 16, 32
"""Channels and columns of a tile, and columns of the two tiles that are taken together."""
TOGETHER = 2880
"""Numbers of a column that are summed without a pause: as many as a panel may have in the second cache."""


@dataclass(frozen=True)
class Layout:
    """How a weight is laid out.

    Args:
        across: its columns (channels of the result); a multiple of 32.
        deep: channels of what it is multiplied with; a multiple of 32.
        side: of the kernel, in pixels.
        halved: whether columns of its first half stand beside those of its second, which may gate them.
    """

    across: int
    deep: int
    side: int
    halved: bool

    @property
    def parts(self) -> int:
        """In how many the channels are taken."""
        steps, least = self.deep // DEPTH, -(-self.deep * self.side**2 // TOGETHER)
        return next(parts for parts in range(least, steps + 1) if steps % parts == 0)

    @property
    def apart(self) -> int:
        """Columns from the first of a panel's first tile to the first of its second."""
        return self.across // 2 if self.halved else COLUMNS


class _Product(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, ctypes.c_void_p) for name in ("x", "weight", "bias", "add", "out")),
        *((name, ctypes.c_int64) for name in ("images", "height", "width", "deep", "across")),
        *((name, ctypes.c_int64) for name in ("side", "pad_down", "pad_right", "parts", "apart", "gates")),
    ]


@dataclass(frozen=True)
class Multiplier:
    """Multiplies by such weights.

    Args:
        library: with the functions of `product.c`.
    """

    library: ctypes.CDLL

    def lay_out(self, weight: BFloat16[Tensor, "o i ..."], layout: Layout) -> BFloat16[Tensor, " n"]:
        """A weight's numbers in the order in which they are multiplied."""
        out = torch.empty(weight.numel(), dtype=weight.dtype)
        # as long as the kernel's own rows follow each other, one step leads from pixel to pixel
        plain = weight if weight.ndim == 2 or weight.stride(2) == weight.shape[3] * weight.stride(3) else None
        plain = weight.contiguous() if plain is None else plain
        steps = (ctypes.c_int64 * 3)(*plain.stride()[:2], plain.stride()[-1])
        told = _told(layout, (1, 1, 1))
        self.library.lay_out(ctypes.byref(told), _pointer(plain), steps, _pointer(out))
        return out

    def convolution(
        self,
        x: BFloat16[Tensor, "b i h w"],
        weight: tuple[Tensor, Layout],
        bias: BFloat16[Tensor, " o"] | None,
        pad: tuple[int, ...],
        add: BFloat16[Tensor, "b o h2 w2"] | None = None,
        *,
        out: BFloat16[Tensor, "b o h2 w2"] | None = None,
    ) -> BFloat16[Tensor, "b o h2 w2"]:
        """A convolution of stride 1.

        Args:
            x: channels last.
            weight: its numbers and their layout.
            pad: zeros above and below, left and right; fewer than the kernel's side.
            add: added to the result before it is rounded; channels last.
            out: where it goes, channels last; unless given, memory of its own.
        """
        numbers, layout = weight
        images, _, *sides = x.shape
        size = (
            images,
            layout.across,
            *(each + 2 * more - layout.side + 1 for each, more in zip(sides, pad, strict=True)),
        )
        if out is None:
            out = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
        told = _told(layout, (images, *sides), pad)
        self._run(told, x, numbers, bias, add, out)
        return out

    def rows(
        self,
        x: BFloat16[Tensor, "*n i"],
        weight: tuple[Tensor, Layout],
        bias: BFloat16[Tensor, " o"] | None,
        *,
        gates: bool,
    ) -> BFloat16[Tensor, "*n d"]:
        """The product with every row.

        Args:
            x: contiguous.
            gates: whether only the first half of each result is given, times the GELU of the second.
        """
        numbers, layout = weight
        out = x.new_empty((*x.shape[:-1], layout.across // 2 if gates else layout.across))
        told = _told(layout, (1, 1, x.shape[:-1].numel()))
        told.gates = gates
        self._run(told, x, numbers, bias, None, out)
        return out

    def _run(self, told: _Product, *tensors: Tensor | None) -> None:
        names = ("x", "weight", "bias", "add", "out")
        for name, each in zip(names, tensors, strict=True):
            setattr(told, name, None if each is None else each.data_ptr())
        threads = ctypes.c_int64(torch.get_num_threads())
        measure: Any = self.library.product_room
        measure.restype = ctypes.c_int64
        room = torch.empty(measure(ctypes.byref(told), threads), dtype=torch.float32)
        self.library.product(ctypes.byref(told), _pointer(room), threads)


def _told(layout: Layout, size: tuple[int, ...], pad: tuple[int, ...] = (0, 0)) -> _Product:
    rest = (layout.side, *pad, layout.parts, layout.apart, 0)
    return _Product(None, None, None, None, None, *size, layout.deep, layout.across, *rest)


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
