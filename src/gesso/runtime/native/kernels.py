"""The kernels, called with tensors: bfloat16 on the CPU, channels last, nothing that needs a gradient."""

import ctypes
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import BFloat16
from torch import Tensor, nn

from gesso.runtime.maps import Rows
from gesso.runtime.native.build import library
from gesso.runtime.native.product import Multiplier

__all__ = ["WIDEST", "Kernels", "kernels"]

WIDEST = 512
"""The most channels that a head may have."""
CHUNKS = 64
"""Into how many parts a map is cut, so that every core has some."""


class _Attention(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, ctypes.c_void_p) for name in ("q", "k", "v", "out")),
        *(
            (f"{of}_{step}", ctypes.c_int64)
            for of in ("q", "k", "v", "out")
            for step in ("row", "token", "head")
        ),
        *((name, ctypes.c_int64) for name in ("rows", "heads", "queries", "keys", "width")),
        ("scale", ctypes.c_float),
    ]


class _Norm(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, ctypes.c_void_p) for name in ("x", "weight", "bias", "shift", "out")),
        *((name, ctypes.c_int64) for name in ("rows", "pixels", "channels", "groups", "chunk")),
        ("eps", ctypes.c_float),
        ("activate", ctypes.c_int32),
    ]


def kernels() -> "Kernels | None":
    """This machine's kernels, if it has any."""
    found = library()
    return None if found is None else Kernels(found)


@dataclass(frozen=True)
class Kernels:
    """What the compiled library does.

    Args:
        library: with the functions of the C files beside this one.
    """

    library: ctypes.CDLL

    def multiplier(self) -> Multiplier | None:
        """What multiplies by weights that are laid out for it."""
        return Multiplier(self.library)

    def attend(
        self,
        q: BFloat16[Tensor, "b n d"],
        k: BFloat16[Tensor, "b m d"],
        v: BFloat16[Tensor, "b m d"],
        heads: int,
    ) -> BFloat16[Tensor, "b n d"]:
        """Attention of queries to keys and values, each as the projections leave them.

        Args:
            heads: which share the numbers of a token evenly, each at most `WIDEST`.
        """
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        rows, queries, across = q.shape
        width = across // heads
        strides = [step for each in (q, k, v, out) for step in (*each.stride()[:2], width)]
        counts = (rows, heads, queries, k.shape[1], width)
        told = _Attention(*map(Tensor.data_ptr, (q, k, v, out)), *strides, *counts, width**-0.5)
        room = torch.empty(self._room("attend_room", told), dtype=q.dtype)
        self.library.attend(ctypes.byref(told), _pointer(room))
        return out

    def group_norm(
        self,
        x: BFloat16[Tensor, "b c h w"],
        layer: nn.GroupNorm,
        shift: BFloat16[Tensor, "b c"] | None = None,
        *,
        activate: bool,
        out: BFloat16[Tensor, "b c h w"] | None = None,
    ) -> BFloat16[Tensor, "b c h w"]:
        """Group normalisation.

        Args:
            x: channels last.
            shift: added to every position before; contiguous.
            activate: whether a SiLU follows.
            out: where it goes, channels last; unless given, memory of its own.
        """
        out = torch.empty_like(x) if out is None else out
        told = _told(layer, (x, shift, out), activate=activate)
        room = torch.empty(self._room("group_norm_room", told), dtype=torch.float32)
        self.library.group_norm(ctypes.byref(told), _pointer(room))
        return out

    def normed(self, x: BFloat16[Tensor, "b c h w"], layer: nn.GroupNorm, *, activate: bool) -> Rows:
        """The same, some rows of a picture at a time."""
        told = _told(layer, (x, None, x), activate=activate)
        room = torch.empty(self._room("group_norm_room", told), dtype=torch.float32)
        self.library.group_norm_factors(ctypes.byref(told), _pointer(room))
        factors = room[-2 * x.shape[0] * x.shape[1] :].view(x.shape[0], -1)

        def part(picture: int, first: int, last: int) -> Tensor:
            size = (1, x.shape[1], last - first, x.shape[3])
            out = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
            within = range(max(0, first), min(last, x.shape[2]))
            out[:, :, : within.start - first] = 0
            out[:, :, within.stop - first :] = 0
            seen = x[picture : picture + 1, :, within.start : within.stop]
            place = out[:, :, within.start - first : within.stop - first]
            told = _told(layer, (seen, None, place), activate=activate)
            self.library.group_norm_apply(ctypes.byref(told), _pointer(factors[picture]))
            return out

        return Rows(x.shape, x.dtype, part)

    def layer_norm(self, x: BFloat16[Tensor, "*n d"], layer: nn.LayerNorm) -> BFloat16[Tensor, "*n d"]:
        """Normalisation of each row by itself; x is contiguous."""
        out = torch.empty_like(x)
        counts = (1, x.shape[:-1].numel(), x.shape[-1], 1, 1)
        told = _Norm(*_pointers(x, layer.weight, layer.bias, None, out), *counts, layer.eps, 0)
        self.library.layer_norm(ctypes.byref(told))
        return out

    def gate(self, x: BFloat16[Tensor, "*n d2"], out: BFloat16[Tensor, "*n d"]) -> BFloat16[Tensor, "*n d"]:
        """The first half of each row times the GELU of the second, into `out`; both are contiguous."""
        width = out.shape[-1]
        rows = ctypes.c_int64(x.shape[:-1].numel())
        self.library.gate(_pointer(x), _pointer(out), rows, ctypes.c_int64(width))
        return out

    def _room(self, name: str, told: ctypes.Structure) -> int:
        function: Any = self.library[name]
        function.restype = ctypes.c_int64
        return function(ctypes.byref(told))


def _told(
    layer: nn.GroupNorm, maps: tuple[Tensor, Tensor | None, Tensor], *, activate: bool
) -> ctypes.Structure:
    """What the kernel must know: of x, of what is added before, and of where the result goes."""
    x, shift, out = maps
    pixels = x.shape[2] * x.shape[3]
    chunk = min(512, max(16, -(-pixels // CHUNKS)))
    counts = (x.shape[0], pixels, x.shape[1], layer.num_groups, chunk)
    return _Norm(*_pointers(x, layer.weight, layer.bias, shift, out), *counts, layer.eps, activate)


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _pointers(*tensors: Tensor | None) -> tuple[int | None, ...]:
    return tuple(None if each is None else each.data_ptr() for each in tensors)
