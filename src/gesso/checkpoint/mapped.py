"""Tensors that are the file's own bytes, mapped into memory and read when first touched."""

import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from gesso.checkpoint.entry import ITEM_SIZES, TORCH_NAMES, Entry
from gesso.checkpoint.landing import Landing
from gesso.errors import BrokenFile, CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ahead", "mapped"]


def mapped(
    entries: Iterable[tuple[str, Entry]],
    sizes: Mapping[Path, int],
    landing: Landing | None = None,
) -> Iterator[tuple[str, "Tensor"]]:
    """Tensors in file order, each valid for as long as it is kept.

    Args:
        entries: what to read.
        sizes: the length in bytes that each file had when its header was checked.
        landing: what becomes of them; unless given, they stay mapped.
    """
    ordered = sorted(entries, key=lambda item: (item[1].path, item[1].start, item[0]))
    landing = landing or Landing()
    for path, group in groupby(ordered, key=lambda item: item[1].path):
        pages = _map(path, sizes[path])
        for name, entry in group:
            tensor = _view(pages, entry)
            moved = landing.put(name, tensor)
            if moved is not tensor:
                del tensor
                _forget(pages, entry)
            yield name, moved


def ahead(entries: Iterable[Entry]) -> int:
    """Have the system read tensors into its cache while other work goes on.

    Returns:
        How many bytes it was asked for; 0 where systems know no such thing.
    """
    if not hasattr(os, "posix_fadvise"):
        return 0
    asked = 0
    ordered = sorted(entries, key=lambda entry: (entry.path, entry.start))
    for path, group in groupby(ordered, key=lambda entry: entry.path):
        with path.open("rb") as file:
            for each in group:
                os.posix_fadvise(file.fileno(), each.start, each.end - each.start, os.POSIX_FADV_WILLNEED)
                asked += each.end - each.start
    return asked


def _map(path: Path, size: int) -> mmap.mmap:
    """A private mapping: writes to it stay in memory and never reach the file."""
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) != size:
                raise BrokenFile(f"{path} must not change after it was opened, however: its length did")
            if not hasattr(mmap, "MAP_PRIVATE"):
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            # Without NORESERVE a file larger than memory would be refused although it is never written to.
            flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
            return mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    except OSError as error:
        raise CheckpointError(f"{path} must be readable, however: {error.strerror}") from None


def _view(pages: mmap.mmap, entry: Entry) -> "Tensor":
    import torch

    dtype: torch.dtype = getattr(torch, TORCH_NAMES[entry.dtype])
    if not entry.span:
        return torch.empty(entry.shape, dtype=dtype)
    count = entry.end - entry.start
    flat = torch.frombuffer(pages, dtype=torch.uint8, count=count, offset=entry.start)
    if entry.start % min(ITEM_SIZES[entry.dtype], 8):
        # Numbers at odd addresses are slow or fatal on some machines.
        flat = flat.clone()
    flat = flat.view(dtype)
    return flat.view(entry.shape) if entry.strides is None else flat.as_strided(entry.shape, entry.strides)


def _forget(pages: mmap.mmap, entry: Entry) -> None:
    """Let the pages go that only this tensor used, so that converted weights are not resident twice."""
    if not hasattr(pages, "madvise") or not hasattr(mmap, "MADV_DONTNEED"):
        return
    first = -(-entry.start // mmap.PAGESIZE) * mmap.PAGESIZE
    last = entry.end // mmap.PAGESIZE * mmap.PAGESIZE
    if last > first:
        pages.madvise(mmap.MADV_DONTNEED, first, last - first)
