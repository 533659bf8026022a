import ctypes
import subprocess
import sys

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


PAGES = """
from resource import RUSAGE_SELF, getrusage
import torch
from gesso.runtime.heap import kept

def pages():
    before = getrusage(RUSAGE_SELF).ru_minflt
    for _ in range(16):
        torch.ones(2**24)
    return getrusage(RUSAGE_SELF).ru_minflt - before

print(pages())
with kept():
    pages()
    print(pages())
"""


@pytest.mark.skipif(not GLIBC, reason="another C library")
def test_what_is_freed_is_kept_for_the_next_tensor() -> None:
    """Pages that the system hands over for large tensors one after another, in a process of their own.

    Not at once: the hole that a tensor leaves is too small for the next by its alignment, until two meet.
    """
    said = subprocess.run([sys.executable, "-c", PAGES], check=True, capture_output=True, text=True)
    usual, keeping = map(int, said.stdout.split())
    assert keeping < 0.3 * usual


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: object())
    give_back()
    with kept():
        pass
