import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.checkpoint.file import Checkpoint
from gesso.errors import GessoError, TensorMismatch
from tests.files import program, safetensors, stored, tensor, text, torch_legacy, torch_zip

FILES = {
    "safetensors": safetensors(
        {
            "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
            "b": {"dtype": "F16", "shape": [2, 2], "data_offsets": [16, 24]},
        },
        bytes(24),
    ),
    "zip pickle": torch_zip(program(text("a"), tensor(stored())), {"0": bytes(16)}),
    "legacy pickle": torch_legacy(program(text("a"), tensor(stored(legacy=True))), {"0": bytes(16)}),
}


@pytest.mark.parametrize("container", FILES)
def test_one_type_for_every_container(container: str, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(FILES[container])
    checkpoint = Checkpoint.open(str(path))
    assert checkpoint.container == container
    assert checkpoint.shapes["a"] == (4,)
    assert checkpoint.dtypes["a"] == "F32"
    assert {name: found.tolist() for name, found in checkpoint.tensors(["a"])} == {"a": [0.0] * 4}


def test_renaming_shows_the_same_tensors_under_other_names(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(FILES["safetensors"])
    view = Checkpoint.open(path).renamed({"new": "b"})
    assert dict(view.shapes) == {"new": (2, 2)}
    assert view.metadata == {"format": "pt"}
    assert [name for name, _ in view.tensors(["new"])] == ["new"]
    with pytest.raises(TensorMismatch, match="'b' must be in model"):
        view.renamed({"newer": "b"})


def test_unknown_names_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(FILES["safetensors"])
    checkpoint = Checkpoint.open(path)
    path.unlink()
    with pytest.raises(TensorMismatch, match="'c' must be in model"):
        list(checkpoint.tensors(["a", "c"]))


@pytest.mark.parametrize("container", FILES)
def test_headers_are_read_without_torch(container: str, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(FILES[container])
    code = (
        "import sys; from gesso.checkpoint.file import Checkpoint;"
        "from gesso.checkpoint.layouts import original; original(Checkpoint.open(sys.argv[1]));"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert found.returncode == 0


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "model"


@pytest.mark.parametrize("container", FILES)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_damage_is_read_or_refused_and_never_anything_else(
    container: str, scratch: Path, data: st.DataObject
) -> None:
    content = bytearray(FILES[container])
    places = st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)):
        content[place] = value
    cut = data.draw(st.one_of(st.none(), places))
    scratch.write_bytes(content[:cut])
    try:
        checkpoint = Checkpoint.open(scratch)
        for _, found in checkpoint.tensors(checkpoint.shapes):
            found.clone()
    except GessoError as error:
        assert str(error)
