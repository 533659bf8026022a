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
    """How many pages the system hands over for eight tensors of 64 MiB that are filled one after another."""
    before = getrusage(RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(2**24)
    return getrusage(RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not GLIBC, reason="another C library")
def test_what_is_freed_is_kept_for_the_next_tensor() -> None:
    before = resident() or 0
    with kept():
        inside = pages()
    # a first and a second, where the hole that the first leaves is too small by its alignment
    assert inside < 0.4 * pages()
    assert (resident() or 0) - before < 2**25


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: object())
    give_back()
    with kept():
        pass
