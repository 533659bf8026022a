import ctypes
from resource import RUSAGE_SELF, getrusage

import pytest
import torch

from gesso.runtime import heap
from gesso.runtime.heap import give_back, kept
from gesso.runtime.memory import resident

GLIBC = hasattr(ctypes.CDLL(None), "malloc_trim")


@pytest.mark.skipif(not GLIBC, reason="another C library")
def test_what_is_free_between_blocks_goes_back() -> None:
    # blocks too small for glibc to give back by itself
    blocks = [torch.ones(2**14) for _ in range(2048)]
    kept = blocks[::64]
    blocks.clear()
    before = resident() or 0
    give_back()
    assert before - (resident() or 0) > 2**26
    assert all(bool((each == 1).all()) for each in kept)


def pages() -> int:
    """How many pages the system hands over for a tensor of 64 MiB that is filled."""
    before = getrusage(RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
    return getrusage(RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not GLIBC, reason="another C library")
def test_what_is_freed_is_kept_for_the_next_tensor() -> None:
    before = resident() or 0
    with kept():
        first, next_ = pages(), pages()
    after = pages()
    assert next_ < 0.01 * min(first, after)
    assert (resident() or 0) - before < 2**25


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: object())
    give_back()
    with kept():
        pass
