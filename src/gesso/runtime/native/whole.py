"""Numbers rounded to 8 bits for one product, by the kernels."""

import ctypes
import math
from dataclasses import dataclass

import torch
from jaxtyping import BFloat16, Float32, Int8, UInt8
from torch import Tensor

from gesso.runtime.native.build import library

__all__ = ["Rounder", "rounder"]


def rounder() -> "Rounder | None":
    """This machine's, if it has kernels and multiplies whole numbers by tiles."""
    found = library()
    capable = getattr(torch.cpu, "get_capabilities", dict[str, object])()
    return Rounder(found) if found is not None and capable.get("amx_int8") else None


@dataclass(frozen=True)
class Rounder:
    """Rounds what layers are given, and scales what they answer.

    Args:
        library: with the functions of `whole.c`.
    """

    library: ctypes.CDLL

    def rows(self, x: BFloat16[Tensor, "*n d"]) -> tuple[Int8[Tensor, "*n d"], Float32[Tensor, " n"]]:
        """Each row in whole multiples of a scale of its own, -127 to 127; x is contiguous."""
        out = torch.empty_like(x, dtype=torch.int8)
        count, width = x.shape[:-1].numel(), x.shape[-1]
        scales = torch.empty(count, dtype=torch.float32)
        self.library.round_rows(*_pointers(x, out, scales), _long(count), _long(width))
        return out, scales

    def scaled(
        self, y: BFloat16[Tensor, "*n d"], scales: Float32[Tensor, " n"], added: BFloat16[Tensor, " d"] | None
    ) -> BFloat16[Tensor, "*n d"]:
        """Each row times its scale plus what is added to all, in place; y is contiguous."""
        counts = (_long(scales.numel()), _long(y.shape[-1]))
        self.library.scale_rows(*_pointers(y, scales, added), *counts)
        return y

    def whole(self, x: BFloat16[Tensor, "b c h w"]) -> tuple[UInt8[Tensor, "b c h w"], float, int]:
        """All numbers in multiples of one scale, 0 to 255, with the scale and the code of 0.

        Args:
            x: without gaps in memory, in any order.
        """
        ends = (ctypes.c_float * 2)()
        self.library.span(*_pointers(x), _long(x.numel()), ends)
        step = (ends[1] - ends[0]) / 255 or 1.0
        out = torch.empty_like(x, dtype=torch.uint8)
        if not math.isfinite(step):
            return out.zero_(), math.nan, 1
        zero = round(-ends[0] / step)
        steps = (ctypes.c_float(1 / step), ctypes.c_float(zero))
        self.library.round_all(*_pointers(x, out), _long(x.numel()), *steps)
        return out, step, zero


def _long(number: int) -> ctypes.c_int64:
    return ctypes.c_int64(number)


def _pointers(*tensors: Tensor | None) -> tuple[ctypes.c_void_p, ...]:
    return tuple(ctypes.c_void_p(None if each is None else each.data_ptr()) for each in tensors)
