import ctypes

import pytest
import torch

from gesso.runtime import heap
from gesso.runtime.heap import give_back
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


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: object())
    give_back()
