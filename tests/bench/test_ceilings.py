import json

import pytest

from gesso.bench import ceilings as module
from gesso.bench.ceilings import ceilings, main


def test_everything_that_is_held_against_is_measured() -> None:
    found = ceilings("float32", side=64, seconds=0.0)
    assert set(found) == {"matmul", "linear", "conv", "copy"}
    assert all(each > 0 for each in found.values())


def test_operations_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_fastest", lambda *_: 1.0)
    found = ceilings("bfloat16", side=64)
    assert found["matmul"] == found["linear"] == 2 * 64**3 / 1e12
    assert found["conv"] == 2 * (2 * 32 * 32) * (16 * 16 * 9) / 1e12
    assert found["copy"] == 2 * 64 * 64 * 8 * 4 / 1e9


def test_they_are_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "ceilings", lambda dtype, _: {dtype: 1.0})
    main(["float32", "cpu"])
    assert json.loads(capsys.readouterr().out) == {"float32": 1.0}
