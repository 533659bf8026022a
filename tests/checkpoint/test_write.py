from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from gesso.checkpoint.entry import TORCH_NAMES
from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.write import save, stream
from gesso.errors import CheckpointError, ResourceError, TensorMismatch


def all_kinds() -> dict[str, Tensor]:
    numbers = torch.tensor([0.0, 1.0, 2.0, 4.0])
    kinds = {
        dtype: numbers.to(getattr(torch, name)) for dtype, name in TORCH_NAMES.items() if dtype != "C128"
    }
    odd = {
        "none": torch.zeros(0, 5),
        "single": torch.tensor(4.5),
        "turned": torch.randn(3, 4).t(),
        "ü": numbers,
    }
    return kinds | odd | {"parameter": torch.nn.Parameter(torch.randn(3))}


def test_the_formats_own_reader_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors = all_kinds()
    save(path, tensors, metadata={"format": "pt", "title": "Ü"})
    found = load_file(path)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name].to(torch.complex64), tensor.detach().to(torch.complex64))
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt", "title": "Ü"}


def test_so_does_ours_and_every_tensor_is_aligned(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors = all_kinds()
    save(path, tensors)
    checkpoint = Checkpoint.open(path)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == dict(checkpoint.shapes)
    assert all(
        entry.start % getattr(torch, TORCH_NAMES[entry.dtype]).itemsize == 0
        for entry in checkpoint.header.entries.values()
    )


def test_converting_touches_floating_point_only(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(path, {"w": torch.tensor([1.5, 2.5]), "n": torch.arange(3)}, dtype=torch.bfloat16)
    found = load_file(path)
    assert found["w"].dtype == torch.bfloat16
    assert found["w"].tolist() == [1.5, 2.5]
    assert found["n"].dtype == torch.int64


def test_streaming_takes_any_order_and_any_type(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    parts = [("b", torch.ones(2)), ("a", torch.zeros(3))]
    stream(path, {"a": ("F16", (3,)), "b": ("F32", (2,))}, iter(parts))
    found = load_file(path)
    assert found["a"].dtype == torch.float16
    assert found["b"].tolist() == [1.0, 1.0]


def interrupted() -> Iterator[tuple[str, Tensor]]:
    yield "a", torch.ones(2)
    raise KeyboardInterrupt


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(path, {"a": torch.zeros(2)})
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        stream(path, {"a": ("F32", (2,)), "b": ("F32", (2,))}, interrupted())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([], "'a' did not"),
        ([("b", torch.ones(2))], "'b' is not"),
        ([("a", torch.ones(3))], "'a' is not"),
        ([("a", torch.ones(2))] * 2, "'a' is not"),
    ],
)
def test_what_comes_must_be_what_was_announced(
    parts: list[tuple[str, Tensor]], words: str, tmp_path: Path
) -> None:
    with pytest.raises(TensorMismatch, match=words):
        stream(tmp_path / "a", {"a": ("F32", (2,))}, parts)
    assert list(tmp_path.iterdir()) == []


def test_places_and_types_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="must be writable, however: No such file"):
        save(tmp_path / "nowhere" / "a", {"a": torch.ones(1)})
    with pytest.raises(CheckpointError, match="type of 'a' must have a place"):
        save(tmp_path / "a", {"a": torch.ones(1, dtype=torch.complex128)})


def test_replacing_a_file_that_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(path, {"a": torch.arange(4)})
    checkpoint = Checkpoint.open(path)
    ((_, found),) = checkpoint.tensors("a")
    save(path, {"a": found + 1})
    assert found.tolist() == [0, 1, 2, 3]
    assert load_file(path)["a"].tolist() == [1, 2, 3, 4]
