from dataclasses import replace
from pathlib import Path

import pytest

from gesso.errors import RequestError
from gesso.model import Model, load
from gesso.request import Request
from gesso.series.task import Task, by_model, done, task
from tests.models import save_model


@pytest.fixture
def outline(tmp_path: Path) -> Model:
    return load(save_model(tmp_path / "m.safetensors", "sd1"), device="cpu", dtype="float32", weights=False)


def test_a_name_says_what_was_asked_for(outline: Model, tmp_path: Path) -> None:
    def name(request: Request) -> str:
        return task(tmp_path / "row", None, outline, request).file.name

    assert name(Request(prompt="a")) == name(Request(prompt="a")) != name(Request(prompt="b"))
    assert name(Request(seed=1)) != name(Request(seed=2))
    assert name(Request(steps=3)) == name(Request())
    assert name(Request()).startswith("row-")


def test_another_file_under_the_same_name_is_another_task(outline: Model, tmp_path: Path) -> None:
    first = task(tmp_path / "row", None, outline, Request())
    path = save_model(tmp_path / "m.safetensors", "sd1", seed=1)
    second = task(tmp_path / "row", None, load(path, device="cpu", dtype="float32", weights=False), Request())
    assert first.file != second.file


def test_what_cannot_be_painted_is_refused_while_planning(outline: Model, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no-such"):
        task(tmp_path / "row", None, outline, Request(sampler="no-such"))


def test_done_is_what_is_there_whole(tmp_path: Path) -> None:
    each = Task(tmp_path / "a.png", None, Request(), 1)
    assert not done(each)
    each.file.touch()
    assert not done(each)
    assert not each.file.exists()
    each.file.write_bytes(b"picture")
    assert done(each)


def test_every_model_comes_once_and_every_task_stays() -> None:
    models = [Path("a"), None, Path("a"), Path("b"), None]
    tasks = [replace(Task(Path(f"{i}"), None, Request(), 1), model=each) for i, each in enumerate(models)]
    groups = by_model(tasks)
    assert list(groups) == [Path("a"), None, Path("b")]
    assert sorted(str(each.file) for group in groups.values() for each in group) == list("01234")
    assert all(each.model == model for model, group in groups.items() for each in group)
