"""The C library's heap: what is free in it, given back to the system."""

import ctypes

__all__ = ["give_back"]


def give_back() -> None:
    """Give back what is free between blocks that are in use; nothing where the C library is not glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
