from pathlib import Path

from gesso.cli.series import Series
from gesso.request import Request
from gesso.series.task import done
from tests.models import save_model


def test_tasks_are_planned_told_and_painted_once(tmp_path: Path) -> None:
    model = save_model(tmp_path / "m.safetensors", "sd1")
    series = Series.model_validate({"device": "cpu", "dtype": "float32", "json": True})
    tasks = [series.planned(tmp_path / f"{i}", model, Request(seed=i, steps=2)) for i in range(2)]
    assert series.told(tasks) == "2 pictures, 2 still to paint: 4 steps, models to load: 1"
    series.paint(tasks[:1])
    assert [done(each) for each in tasks] == [True, False]
    assert series.told(tasks) == "2 pictures, 1 still to paint: 2 steps, models to load: 1"
    series.paint(tasks)
    assert all(done(each) for each in tasks)
