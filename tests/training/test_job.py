"""A job's files do not tell whether it was broken off, and how."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from gesso.errors import NotFinite, RequestError
from gesso.model import Model
from gesso.training.job import Audited, Finished, Job, Started, Written
from gesso.training.loop import Progress, stop_on_signals
from gesso.training.recipe import Training
from gesso.training.record import Record
from gesso.training.setup import opened
from tests.training import made

KINDS: dict[str, dict[str, Any]] = {
    "full": {"subject": {"kind": "full", "text": True}, "run": {"average": 0.0}},
    "lora": {"subject": {"kind": "lora", "conv_rank": 2}, "validation": {"share": 0.3, "bands": 1}},
    "dreambooth": {"subject": {"kind": "lora", "text": True}, "prior": True},
    "words": {"subject": {"kind": "words", "word": "thing"}},
}


def asked(model: Path, tmp_path: Path, out: str, **fields: Any) -> Training:
    sets: list[dict[str, Any]] = [{"folder": tmp_path / "p", "flip": True}]
    if fields.pop("prior", False):
        sets.append({"folder": tmp_path / "q", "role": "prior"})
    run = {"steps": 20, "save_every": 5, "report_every": 1, **fields.pop("run", {})}
    return made.recipe(
        model,
        tmp_path,
        tmp_path / out,
        name="x",
        cache=tmp_path / "cache",
        batch=2,
        captions={"shuffle": True, "dropout": 0.2},
        data=sets,
        run=run,
        **fields,
    )


def child(recipe: Training, model: Model, at: int, how: int) -> None:
    """Carry a recipe out until a step, and then be ended."""
    with stop_on_signals() as stop:
        job = Job(made.set_up(model, recipe), stop)
        for _ in job.look():
            pass
        for event in job.carried_out():
            if isinstance(event, Progress) and event.step >= at and not stop.is_set():
                os.kill(os.getpid(), how)


def carried_out(recipe: Training, model: Model, at: int = 99, how: int = signal.SIGKILL) -> int | None:
    """In a process of its own, which inherits the model as it is."""
    process = multiprocessing.get_context("fork").Process(target=child, args=(recipe, model, at, how))
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.filterwarnings("ignore:This process")
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_was_killed_and_stopped_ends_like_an_unbroken_one(
    small: Path, tmp_path: Path, kind: str
) -> None:
    """C8.1: 20 steps at once, or 7 and killed, 6 more and stopped, and the rest: the same bytes."""
    model = made.opened_model(small)
    made.album(tmp_path / "p", 3, "a, thing, here")
    for i in range(2 if kind == "dreambooth" else 0):
        made.picture(tmp_path / "q" / f"{i}.png", seed=50 + i)
        (tmp_path / "q" / f"{i}.txt").write_text("of the class")
    assert carried_out(asked(small, tmp_path, "straight", **KINDS[kind]), model) == 0
    broken = asked(small, tmp_path, "broken", **KINDS[kind])
    assert carried_out(broken, model, 7, signal.SIGKILL) == -signal.SIGKILL
    assert [each.name for each in (tmp_path / "broken" / "states").iterdir()] == ["00000005.pt"]
    assert carried_out(broken, model, 13, signal.SIGINT) == 0
    assert [each.name for each in (tmp_path / "broken" / "states").iterdir()] == ["00000013.pt"]
    assert carried_out(broken, model) == 0
    for name in ("x.safetensors", "losses.jsonl", "step-00000005/x.safetensors"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name
    state, other = (torch.load(tmp_path / out / "states/00000020.pt") for out in ("broken", "straight"))
    for name, weight in state["network"].items():
        assert torch.equal(weight, other["network"][name]), name
    if kind == "lora":
        straight, again = (
            Record(tmp_path / out / "validation.jsonl").rows() for out in ("straight", "broken")
        )
        assert straight == [row for row in again if row["step"] != 13]


def test_events_tell_the_run_from_beginning_to_end(files: dict[str, Path], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 3)
    recipe = made.recipe(
        files["sd1"], tmp_path / "p", tmp_path / "run", validation={"share": 0.3}, keep=1, run={"steps": 6}
    )
    events = made.carried_out(recipe)
    assert isinstance(events[0], Audited)
    assert isinstance(events[1], Started)
    assert events[1].batches == 2
    written = [event for event in events if isinstance(event, Written)]
    assert [event.step for event in written] == [2, 4, 6]
    assert all(event.validation is not None for event in written)
    assert isinstance(events[-1], Finished)
    assert events[-1].file.read_bytes() == written[-1].file.read_bytes()
    losses = [event.validation.loss for event in written if event.validation is not None]
    best = written[losses.index(min(losses))].step
    kept = {int(each.name.removeprefix("step-")) for each in (tmp_path / "run").glob("step-*")}
    assert kept == {6, best}
    # a finished run is finished
    assert not any(isinstance(event, Progress | Written) for event in made.carried_out(recipe))


def test_what_a_kill_kept_from_being_written_is_written_when_it_goes_on(
    files: dict[str, Path], tmp_path: Path
) -> None:
    made.album(tmp_path / "p", 2)
    recipe = made.recipe(files["sd1"], tmp_path / "p", tmp_path / "run", run={"steps": 2})
    (first,) = [event for event in made.carried_out(recipe) if isinstance(event, Written)]
    content = first.file.read_bytes()
    first.file.unlink()
    (again,) = [event for event in made.carried_out(recipe) if isinstance(event, Written)]
    assert again.file.read_bytes() == content


def test_a_loss_that_is_not_finite_is_told_with_step_and_files(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C8.3: the last saved state is as it was."""
    made.album(tmp_path / "p", 1)
    job = Job(opened(made.recipe(files["sd1"], tmp_path / "p", tmp_path / "run")))
    for _ in job.look():
        pass
    events = job.carried_out()
    for event in events:
        if isinstance(event, Written):
            break
    state = next((tmp_path / "run" / "states").iterdir())
    before = state.read_bytes()
    from gesso.training import lesson

    monkeypatch.setattr(
        lesson.Painting, "losses", lambda *_: torch.full((1,), float("nan"), requires_grad=True)
    )
    with pytest.raises(NotFinite, match=r"in step 2, on .*0\.png"):
        list(events)
    assert [each.read_bytes() for each in (tmp_path / "run" / "states").iterdir()] == [before]


def test_another_run_s_folder_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 1)
    recipe = made.recipe(files["sd1"], tmp_path / "p", tmp_path / "run", run={"steps": 1})
    made.carried_out(recipe)
    other = recipe.model_copy(update={"subject": recipe.subject.model_copy(update={"rank": 3})})
    with pytest.raises(RequestError, match="same subject"):
        made.carried_out(other)
