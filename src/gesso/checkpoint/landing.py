"""Landing: what becomes of a file's tensors on their way into memory.

Loading is bound by how often bytes pass through the processor. So each is read once, in pieces that stay in
the caches while their type and order change.
"""

import mmap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["ALIGNED", "Ground", "Landing", "put"]

ALIGNED = 64
"""Bytes of a cache line, on which tensors begin."""
PIECE = 2**19
"""Numbers that are changed at once: in float32 and shared by two cores, what their caches hold."""


class Desk:
    """Where pieces lie while they change: the same memory for all of them, so that it stays in the caches."""

    @cached_property
    def wide(self) -> "Tensor":
        """Room for a piece in float32, [PIECE]."""
        import torch

        return torch.empty(PIECE, dtype=torch.float32)

    def narrow(self, dtype: "torch.dtype") -> "Tensor":
        """Room for a piece in a type of half the width, [PIECE]."""
        return self._bytes.view(dtype)

    @cached_property
    def _bytes(self) -> "Tensor":
        import torch

        return torch.empty(2 * PIECE, dtype=torch.uint8)


class Ground:
    """Memory of a fixed size for tensors that come together, again and again.

    It is not of the heap, so that all of it goes back to the system when the last of them is dropped.

    Args:
        size: in bytes; each tensor takes up to `ALIGNED` more than it has.
    """

    def __init__(self, size: int) -> None:
        flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
        self.pages = mmap.mmap(-1, size, **flags)
        self.used = 0

    def cleared(self) -> Self:
        """The same ground for the next tensors; those that are on it must not be used any more."""
        self.used = 0
        return self

    def take(self, like: "Tensor", dtype: "torch.dtype", order: "torch.memory_format") -> "Tensor":
        """Room for a tensor of another's size, whose numbers are not set yet."""
        import torch

        found = torch.empty_like(like, dtype=dtype, memory_format=order, device="meta")
        if not found.numel():
            return torch.empty_like(found, device="cpu")
        begin = self.used
        self.used += -(-found.nbytes // ALIGNED) * ALIGNED
        flat = torch.frombuffer(self.pages, dtype=dtype, count=found.numel(), offset=begin)
        return flat.as_strided(found.shape, found.stride())


@dataclass(frozen=True)
class Landing:
    """What becomes of a file's tensors.

    Args:
        dtype: of floating-point numbers; None leaves them.
        device: where they go; None leaves them where they are.
        channels_last: kernels of convolutions [o i h w] are ordered [o h w i], in which they are fastest.
        ground: where those go that have to change in main memory; None takes fresh memory for each.
        finish: what is made of a tensor, given its name too, before its bytes in the file are let go.
    """

    dtype: "torch.dtype | None" = None
    device: "torch.device | str | None" = None
    channels_last: bool = False
    ground: Ground | None = None
    finish: "Callable[[str, Tensor], Tensor] | None" = None
    desk: Desk = field(default_factory=Desk)

    def put(self, name: str, tensor: "Tensor") -> "Tensor":
        """The tensor of a name as it is to be, finished; itself where nothing has to change."""
        moved = self(tensor)
        return moved if self.finish is None else self.finish(name, moved)

    def __call__(self, tensor: "Tensor") -> "Tensor":
        """The tensor as it is to be; itself where nothing has to change."""
        import torch

        dtype = self.dtype if self.dtype and tensor.is_floating_point() else tensor.dtype
        last = self.channels_last and tensor.ndim == 4 and tensor.shape[-1] > 1
        order = torch.channels_last if last else torch.preserve_format
        if torch.device(self.device or "cpu").type != "cpu":
            moved = tensor.to(self.device, dtype)
            return moved.contiguous(memory_format=torch.channels_last) if last else moved
        if dtype == tensor.dtype and (not last or tensor.is_contiguous(memory_format=order)):
            return tensor
        if self.ground is None:
            return put(tensor, torch.empty_like(tensor, dtype=dtype, memory_format=order), self.desk)
        return put(tensor, self.ground.take(tensor, dtype, order), self.desk)


def put(source: "Tensor", target: "Tensor", desk: Desk) -> "Tensor":
    """The target with the source's numbers in its own type and order, to the bit what `copy_` gives.

    From one narrow type to another the way by float32 is the shorter: torch has vector instructions for both
    halves of it, and none for the direct way.
    """
    narrow = source.is_floating_point() and source.dtype.itemsize < 4 and target.dtype.itemsize == 2
    row = source[0].numel() if source.ndim and len(source) else 0
    if not narrow or source.dtype == target.dtype or not 0 < row <= PIECE:
        return target.copy_(source)
    for some, place in zip(source.split(PIECE // row), target.split(PIECE // row), strict=True):
        piece = desk.wide[: some.numel()].view(some.shape).copy_(some)
        if not place.is_contiguous():
            piece = desk.narrow(place.dtype)[: some.numel()].view(some.shape).copy_(piece)
        place.copy_(piece)
    return target
