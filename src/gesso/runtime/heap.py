"""The C library's heap: what is freed in it, kept for the next tensor or given back to the system."""

import ctypes
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["give_back", "kept"]

TRIM, MAP = -1, -3
"""What glibc calls M_TRIM_THRESHOLD and M_MMAP_THRESHOLD. Source: malloc.h; the manual, mallopt(3)."""
KEEPING = {MAP: 2**30, TRIM: 2**31 - 1}
"""Tensors of up to 1 GiB are cut from the heap, which does not shrink."""
USUAL = {MAP: 2**25, TRIM: 2**26}
"""Where glibc's own rule ends once large blocks were freed."""


def give_back() -> None:
    """Give back what is free between blocks that are in use; nothing where the C library is not glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextmanager
def kept() -> Generator[None]:
    """Keep what is freed for the next tensor while the block runs, and give it back after it.

    A network writes some gigabytes of large tensors and frees each soon after. Given back at once, as usual,
    all of it is taken from the system again page by page, which takes longer than to fill it. Where two such
    blocks overlap, the first to end ends it for both. Nothing where the C library is not glibc.
    """
    _set(KEEPING)
    try:
        yield
    finally:
        _set(USUAL)
        give_back()


def _set(options: dict[int, int]) -> None:
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None:
        for option, value in options.items():
            choose(option, value)
