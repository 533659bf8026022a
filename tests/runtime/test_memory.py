import gc
import weakref
from pathlib import Path

import pytest
import torch

from gesso.errors import OutOfMemory
from gesso.runtime import memory
from gesso.runtime.memory import available, memory_errors, readable, resident

CPU = torch.device("cpu")


CUDA = "CUDA out of memory. Tried to allocate 20.50 GiB. GPU 0 has a total capacity of"
MPS = "MPS backend out of memory (MPS allocated: 5 GB). Tried to allocate 512 MB on private pool"
WINDOWS = "[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 3072 bytes."


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (MemoryError(), "more was needed"),
        (torch.OutOfMemoryError(CUDA), "20.5 GiB more"),
        (RuntimeError(MPS), "512 MiB more"),
        (RuntimeError(WINDOWS), "3 KiB more"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "more was needed"),
    ],
)
def test_every_kind_of_exhaustion_says_what_was_needed_and_what_to_try(error: Exception, asked: str):
    said = f"painting must fit into memory, however: {asked}"
    with pytest.raises(OutOfMemory, match=said) as caught, memory_errors("painting"):
        raise error
    assert "--size" in caught.value.hint


def test_the_memory_told_of_is_that_of_the_device_that_ran_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (5 * 2**20, 2**30))
    said = r"20\.5 GiB more were needed, with 5 MiB free"
    with pytest.raises(OutOfMemory, match=said), memory_errors("painting"):
        raise torch.OutOfMemoryError(CUDA)


def test_a_real_allocation_that_cannot_be_is_caught():
    with pytest.raises(OutOfMemory, match=r"1048576.0 GiB more"), memory_errors("painting"):
        torch.empty(2**50, dtype=torch.uint8)


def test_nothing_is_left_behind_while_the_error_is_held():
    left: list[weakref.ref[torch.Tensor]] = []

    def fail() -> None:
        taken = torch.zeros(8)
        left.append(weakref.ref(taken))
        raise MemoryError

    with pytest.raises(OutOfMemory) as caught, memory_errors("painting"):
        fail()
    gc.collect()
    assert left[0]() is None
    assert isinstance(caught.value, OutOfMemory)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes do not match"), ValueError("out of memory"), KeyError("x")]
)
def test_other_errors_pass_through(error: Exception):
    with pytest.raises(type(error)) as caught, memory_errors("painting"):
        raise error
    assert caught.value is error


def test_the_process_holds_some_memory_and_could_take_some():
    here, room = resident(), available(CPU)
    assert here is None or here > 2**20
    assert room is None or room > 0


@pytest.mark.parametrize(
    ("files", "room"),
    [
        ({}, None),
        ({"memory.max": "max\n", "memory.current": "5\n"}, None),
        (
            {"memory.max": "1000\n", "memory.current": "400\n", "memory.stat": "anon 3\ninactive_file 50\n"},
            650,
        ),
        ({"memory.max": "1000", "memory.current": "1400"}, 0),
        ({"memory/memory.limit_in_bytes": "1000", "memory/memory.usage_in_bytes": "300"}, 700),
    ],
)
def test_a_container_s_limit_counts(tmp_path: Path, files: dict[str, str], room: int | None):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert memory._group_room(tmp_path) == room


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (1023, "1023 bytes"), (2048, "2 KiB"), (6.5 * 2**30, "6.5 GiB")]
)
def test_sizes_are_readable(size: float, text: str):
    assert readable(size) == text
