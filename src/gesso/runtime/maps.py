"""Maps: memory for large feature maps that is used again.

A decoder writes some gigabytes of large maps and drops each soon after. Memory that is taken anew for each
comes from the system page by page, which takes longer than to fill it; in glibc's heap a hole is just too
small for the next map of its size, by its alignment.
"""

import mmap
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self
from weakref import ref

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["LARGE", "Maps", "Rows"]

LARGE = 2**26
"""Bytes of maps from which on they have memory of their own."""
NORESERVE = 0x4000
"""What Linux calls MAP_NORESERVE: addresses that count as no memory until they are written to."""
RESERVED = 2**34
"""Bytes that may be addressed for them at once."""


@dataclass(frozen=True)
class Rows:
    """A map that need not be there as a whole: some rows are looked at, or made, at a time.

    Args:
        size: of the whole, [b c h w].
        part: (picture of the batch, first row, the one after the last) → these rows, [1 c h w]; beyond the
            map's edges there are zeros.
    """

    size: torch.Size
    dtype: torch.dtype
    part: Callable[[int, int, int], Tensor]

    @classmethod
    def of(cls, x: Float[Tensor, "b c h w"]) -> Self:
        """Of a map that is there."""
        whole = x.contiguous(memory_format=torch.channels_last)

        def part(picture: int, first: int, last: int) -> Tensor:
            within = whole[picture : picture + 1, :, max(0, first) : last]
            beyond = (max(0, -first), max(0, last - x.shape[2]))
            return functional.pad(within, (0, 0, *beyond)) if any(beyond) else within

        return cls(x.shape, x.dtype, part)


class Maps:
    """A stretch of addresses in which large maps are laid, each in the first gap that holds it.

    Pages are the process's from when they are first written to until the stretch is dropped. Where the system
    gives no such stretch, maps are the heap's.
    """

    def __init__(self) -> None:
        self._stretch: mmap.mmap | None = None
        self._laid: list[tuple[int, int, ref[memoryview]]] = []

    def empty(self, size: torch.Size, dtype: torch.dtype) -> Float[Tensor, "b c h w"]:
        """A map whose numbers are not set, channels last."""
        room = size.numel() * dtype.itemsize
        if self._stretch is None and room >= LARGE:
            self._stretch = _reserved()
        begin = self._gap(room)
        if self._stretch is None or room < LARGE or begin + room > RESERVED:
            return torch.empty(size, dtype=dtype, memory_format=torch.channels_last)
        # a tensor holds on to the view that it is made of, which so tells that it is in use
        view = memoryview(self._stretch)[begin : begin + room]
        self._laid.append((begin, begin + room, ref(view)))
        batch, channels, height, width = size
        flat = torch.frombuffer(view, dtype=dtype)
        return flat.view(batch, height, width, channels).permute(0, 3, 1, 2)

    @property
    def laid(self) -> int:
        """Bytes from the first address to the end of the last map that was laid and is known."""
        return max((end for _, end, _ in self._laid), default=0)

    def clear(self, *_: object) -> None:
        """Give back the memory; maps that are still there keep theirs."""
        self._stretch, self._laid = None, []

    def _gap(self, size: int) -> int:
        """Where the first begins that is large enough."""
        self._laid = sorted(each for each in self._laid if each[2]() is not None)
        begin = 0
        for start, end, _ in self._laid:
            if start - begin >= size:
                break
            begin = -(-end // mmap.PAGESIZE) * mmap.PAGESIZE
        return begin


def _reserved() -> mmap.mmap | None:
    """Addresses without memory, if the system gives them away so."""
    if sys.platform != "linux":
        return None
    try:
        return mmap.mmap(-1, RESERVED, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
    except OSError:
        return None
