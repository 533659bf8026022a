import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gesso.checkpoint.entry import TORCH_NAMES, Entry
from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.landing import Landing
from gesso.checkpoint.mapped import ahead, mapped
from gesso.errors import BrokenFile, CheckpointError, TensorMismatch


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tolist() == b.tolist()


def test_every_type_and_odd_size_comes_back(tmp_path: Path) -> None:
    numbers = torch.tensor([0.0, 1.0, 2.0, 4.0])
    tensors = {
        dtype: numbers.to(getattr(torch, name)) for dtype, name in TORCH_NAMES.items() if dtype != "C128"
    }
    tensors |= {"none": torch.zeros(0, 5), "single": torch.tensor(4.5)}
    save_file(tensors, path := tmp_path / "a.safetensors")
    found = dict(Checkpoint.open(path).tensors(tensors))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert same(found[name].to(torch.complex128), tensor.to(torch.complex128))


def test_they_come_in_file_order(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(12)))
    entries = [(name, Entry(path, "U8", (4,), start)) for name, start in (("c", 8), ("a", 0), ("b", 4))]
    assert [(n, t.tolist()[0]) for n, t in mapped(entries, {path: 12})] == [("a", 0), ("b", 4), ("c", 8)]


def test_odd_addresses_and_strides(tmp_path: Path) -> None:
    path = tmp_path / "a"
    numbers = torch.arange(6, dtype=torch.float32)
    path.write_bytes(b"odd" + numbers.numpy().tobytes())
    entry = Entry(path, "F32", (3, 2), 3, (1, 3))
    ((_, found),) = mapped([("x", entry)], {path: 27})
    assert same(found, numbers.view(2, 3).t())


def test_writing_never_reaches_the_file_nor_another_reader(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(content := bytes(8192))
    entry = Entry(path, "F32", (2048,), 0)
    ((_, first),) = mapped([("x", entry)], {path: 8192})
    first.fill_(7)
    ((_, second),) = mapped([("x", entry)], {path: 8192})
    assert second.sum() == 0
    assert first.sum() == 7 * 2048
    assert path.read_bytes() == content


def test_converting_leaves_integers_and_forgets_only_its_own_pages(tmp_path: Path) -> None:
    path = tmp_path / "a"
    numbers = torch.arange(20_000, dtype=torch.float16).clamp(max=2000)
    path.write_bytes(b"abcdefgh" + numbers.numpy().tobytes())
    entries = [("whole", Entry(path, "U8", (8,), 0)), ("half", Entry(path, "F16", (20_000,), 8))]
    entries.append(("few", Entry(path, "F16", (3,), 40_002)))
    reader = mapped(entries, {path: 40_008}, Landing(torch.float32))
    _, whole = next(reader)
    whole.fill_(1)
    _, half = next(reader)
    assert whole.tolist() == [1] * 8
    assert same(half, numbers.float())
    assert next(reader)[1].tolist() == [2000.0] * 3


def test_tensors_outlive_the_reader_and_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\x05" * 64)
    ((_, found),) = mapped([("x", Entry(path, "U8", (64,), 0))], {path: 64})
    path.unlink()
    assert found.sum() == 320


def test_a_file_that_changed_since(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(10))
    with pytest.raises(BrokenFile, match="must not change"):
        next(mapped([("x", Entry(path, "U8", (12,), 0))], {path: 12}))
    path.unlink()
    with pytest.raises(CheckpointError, match="must be readable"):
        next(mapped([("x", Entry(path, "U8", (12,), 0))], {path: 12}))


@pytest.mark.parametrize("missing", ["MAP_PRIVATE", "MADV_DONTNEED"])
def test_systems_with_fewer_ways_of_mapping(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(mmap, missing)
    path = tmp_path / "a"
    path.write_bytes(b"\x00\x3c" * 20_000)
    entry = Entry(path, "F16", (20_000,), 0)
    ((_, found),) = mapped([("x", entry)], {path: 40_000}, Landing(torch.float32))
    assert found.sum() == 20_000
    ((_, found),) = mapped([("x", entry)], {path: 40_000})
    found.fill_(0)
    assert path.read_bytes()[:2] == b"\x00\x3c"


def test_what_comes_next_is_asked_for_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *told: asked.append(told), raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_WILLNEED", 3, raising=False)
    path = tmp_path / "a"
    path.write_bytes(bytes(64))
    entries = [Entry(path, "F16", (4,), 40), Entry(path, "F32", (2, 2), 8)]
    assert ahead(entries) == 24
    assert asked == [(8, 16, 3), (40, 8, 3)]
    monkeypatch.delattr(os, "posix_fadvise")
    assert ahead(entries) == 0


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system cannot be asked")
def test_the_system_is_asked_in_earnest(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": torch.zeros(100), "y": torch.zeros(50)}, path)
    file = Checkpoint.open(path)
    assert file.ahead(["x", "y"]) == 600
    with pytest.raises(TensorMismatch, match="must be in"):
        file.ahead(["z"])


MEASURE = """
import sys, torch
from pathlib import Path
from gesso.checkpoint.entry import Entry
from gesso.checkpoint.landing import Landing
from gesso.checkpoint.mapped import mapped

def kib(what):
    return int(next(line for line in open("/proc/self/status") if line.startswith(what)).split()[1])

path, count, size = Path(sys.argv[1]), 50, 1 << 21
torch.zeros(9).half().bfloat16()
before = kib("VmRSS")
kind = "BF16" if sys.argv[2] == "finished" else "F16"
entries = [(str(i), Entry(path, kind, (size,), 2 * size * i)) for i in range(count)]
finish = (lambda _, tensor: tensor.to(torch.int8)) if sys.argv[2] == "finished" else None
kept = dict(mapped(entries, {path: 2 * size * count}, Landing(torch.bfloat16, finish=finish)))
print((kib("VmHWM") - before) * 1024 / sum(each.nbytes for each in kept.values()))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured where Linux tells")
@pytest.mark.parametrize("what", ["landed", "finished"])
def test_converting_a_file_peaks_at_little_more_than_what_is_kept(what: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.truncate(50 << 22)
    found = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), what],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
    )
    assert 0.9 < float(found.stdout) < 1.15
