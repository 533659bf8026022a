"""Saved files are ranked by their validation."""

from pathlib import Path

import pytest

from gesso.errors import RequestError
from gesso.training.compare import ranked
from gesso.training.record import Record
from tests.training import made


def test_the_best_comes_first(tmp_path: Path) -> None:
    recipe = made.recipe(tmp_path, tmp_path, tmp_path / "run")
    with pytest.raises(RequestError, match="validated"):
        ranked(recipe)
    Record(tmp_path / "run" / "validation.jsonl").add(
        {"step": step, "loss": loss, "bands": [loss, 0.5]} for step, loss in ((5, 0.3), (10, 0.1), (15, 0.2))
    )
    (tmp_path / "run" / "step-00000010").mkdir()
    (tmp_path / "run" / "step-00000010" / "run.safetensors").touch()
    _, *lines = ranked(recipe).splitlines()
    assert [int(line.split()[1]) for line in lines] == [10, 15, 5]
    assert lines[0].endswith("step-00000010/run.safetensors")
    assert lines[1].endswith("gone")
