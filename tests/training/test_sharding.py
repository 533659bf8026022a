"""Processes that each keep a share learn what one learns, save in parts, and go on in another number."""

import multiprocessing
import os
import shutil
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import pytest
import torch

from gesso.errors import BrokenFile, GessoError, RequestError
from gesso.training.job import Job
from gesso.training.ranks import together
from gesso.training.recipe import Training
from gesso.training.record import Record
from gesso.training.setup import opened
from tests.training import made
from tests.training.test_ranks import free_port

FORK = multiprocessing.get_context("fork")
STEPS = 20


def recipe(model: Path, folder: Path, out: str, **run: Any) -> Training:
    # gradients next to nothing must not decide which way a weight goes
    known = {"steps": STEPS, "save_every": 10, "rate": 1e-3, "options": {"eps": 1e-3}, "average": 0.9}
    settings = {**known, "shard": True, **run}
    return made.recipe(
        model,
        folder / "p",
        folder / out,
        name="x",
        batch=2,
        cache=folder / "cache",
        subject={"kind": "full"},
        validation={"share": 0.3, "bands": 1},
        recompute="blocks",
        run=settings,
    )


def learn(asked: Training, rank: int, size: int, port: int, said: "Queue[str]") -> None:
    """One rank, to the end or until another is gone; tells how many numbers it held."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size)}
    with together(torch.device("cpu")) as ranks:
        job = Job(opened(asked), None, ranks)
        for _ in job.look():
            pass
        try:
            list(job.carried_out())
        except GessoError as error:
            said.put(str(error))


def carried_out(asked: Training, size: int, lose_at: int | None = None) -> list[str]:
    """By so many processes, the last of which may be lost after a step's state."""
    said: Queue[str] = FORK.Queue()
    port = free_port()
    ranks = [FORK.Process(target=learn, args=(asked, rank, size, port, said)) for rank in range(size)]
    for each in ranks:
        each.start()
    if lose_at is not None:
        state = asked.out / "states" / f"{lose_at:08}.parts"
        while not state.exists() and ranks[0].is_alive():
            ranks[0].join(0.05)
        ranks[-1].kill()
    for each in ranks:
        each.join()
    return [said.get(timeout=10)] if lose_at is not None or not said.empty() else []


def losses(out: Path) -> list[float]:
    return [row["loss"] for row in Record(out / "losses.jsonl").rows()]


@pytest.mark.filterwarnings("ignore:This process")
def test_shares_learn_what_one_process_learns_and_another_number_goes_on(small: Path, tmp_path: Path) -> None:
    made.album(tmp_path / "p", 4)
    one = recipe(small, tmp_path, "one", shard=False)
    made.carried_out(one)
    two = recipe(small, tmp_path, "two", keep=2)
    assert carried_out(two, 2) == []
    assert len(losses(two.out)) == STEPS
    assert losses(two.out) == pytest.approx(losses(one.out), rel=1e-5)
    measured = [Record(tmp_path / out / "validation.jsonl").rows() for out in ("one", "two")]
    assert [row["step"] for row in measured[1]] == [10, 20]
    assert [row["loss"] for row in measured[1]] == pytest.approx(
        [row["loss"] for row in measured[0]], rel=1e-4
    )
    # both halves are in the folder
    parts, last = sorted((two.out / "states").iterdir())
    assert len(list(parts.glob("*.distcp"))) == 2
    # alone from the middle, without meeting anyone
    shutil.rmtree(last)
    made.carried_out(two)
    assert losses(two.out) == pytest.approx(losses(one.out), rel=1e-5)


@pytest.mark.filterwarnings("ignore:This process")
def test_a_killed_process_ends_the_run_with_a_word_and_two_go_on(small: Path, tmp_path: Path) -> None:
    made.album(tmp_path / "p", 4)
    # what a step does must not depend on how many there will be
    fields: dict[str, Any] = {"save_every": 1, "fall": 0.0}
    asked = recipe(small, tmp_path, "lost", steps=500, **fields)
    (word,) = carried_out(asked, 2, lose_at=1)
    assert "all 2 processes must go on, however: one is gone" in word
    (parts,) = (asked.out / "states").glob("*.parts")
    steps = int(parts.stem) + 2
    assert carried_out(recipe(small, tmp_path, "lost", steps=steps, **fields), 2) == []
    straight = recipe(small, tmp_path, "straight", shard=False, steps=steps, **{**fields, "save_every": 500})
    made.carried_out(straight)
    assert len(losses(asked.out)) == steps
    assert losses(asked.out) == pytest.approx(losses(straight.out), rel=1e-5)


def test_what_cannot_go_together_is_refused(small: Path, tmp_path: Path) -> None:
    made.album(tmp_path / "p", 2)
    asked = made.recipe(small, tmp_path / "p", tmp_path / "lora", run={"shard": True})
    with pytest.raises(RequestError, match="trained whole"):
        opened(asked)
    both = recipe(small, tmp_path, "both").model_copy(update={"recompute": "nothing", "compiled": True})
    with pytest.raises(RequestError, match="without compiled"):
        opened(both)
    whole = recipe(small, tmp_path, "run", steps=1, shard=False)
    made.carried_out(whole)
    with pytest.raises(BrokenFile, match="same run"):
        made.carried_out(recipe(small, tmp_path, "run", steps=2))
