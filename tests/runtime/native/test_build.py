import shutil
from pathlib import Path

import pytest
import torch

from gesso.runtime.native import build as building
from gesso.runtime.native.build import build, library

compiles = pytest.mark.skipif(shutil.which("gcc") is None, reason="no compiler")


@compiles
def test_they_are_compiled_once(tmp_path: Path) -> None:
    path = build(tmp_path)
    if path is None:
        pytest.skip("this compiler does not know the processor")
    made = path.stat().st_mtime_ns
    assert build(tmp_path) == path
    assert path.stat().st_mtime_ns == made
    assert list(tmp_path.iterdir()) == [path], "nothing else is left"


def test_no_compiler_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building.shutil, "which", lambda _: None)
    assert build(tmp_path) is None


@pytest.mark.parametrize("compiler", ["false", "no/such/compiler"])
def test_a_compiler_that_cannot_is_no_error(
    compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building.shutil, "which", lambda _: compiler)
    assert build(tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_processor_without_a_matrix_unit_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert library.__wrapped__() is None


def test_a_library_that_does_not_load_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"nothing")
    has = {"amx_bf16": True, "avx512_bf16": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    for found in (broken, None):
        monkeypatch.setattr(building, "build", lambda _, found=found: found)
        assert library.__wrapped__() is None
