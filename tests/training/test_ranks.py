"""Two processes learn what one learns; one that is lost ends the run with a word."""

import multiprocessing
import os
import socket
from multiprocessing.queues import Queue
from pathlib import Path

import pytest
import torch

from gesso.errors import RequestError, ResourceError
from gesso.model import Model
from gesso.training.job import Job
from gesso.training.ranks import Ranks, together
from gesso.training.recipe import Training
from gesso.training.record import Record
from tests.training import made

FORK = multiprocessing.get_context("fork")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def learn(recipe: Training, model: Model, rank: int, port: int, said: "Queue[str]") -> None:
    """One rank, to the end or until the other is gone."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    with together(torch.device("cpu")) as ranks:
        job = Job(made.set_up(model, recipe), None, ranks)
        for _ in job.look():
            pass
        try:
            list(job.carried_out())
        except ResourceError as error:
            said.put(str(error))


def both(recipe: Training, model: Model, lose_second: bool = False) -> "Queue[str]":
    said: Queue[str] = FORK.Queue()
    port = free_port()
    ranks = [FORK.Process(target=learn, args=(recipe, model, rank, port, said)) for rank in range(2)]
    for each in ranks:
        each.start()
    if lose_second:
        state = recipe.out / "states" / "00000002.pt"
        while not state.exists() and ranks[0].is_alive():
            ranks[0].join(0.05)
        ranks[1].kill()
    for each in ranks:
        each.join()
    return said


@pytest.mark.filterwarnings("ignore:This process")
def test_two_processes_learn_what_one_learns(models: dict[str, Model], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 4)

    def recipe(out: str) -> Training:
        fields = {"batch": 2, "run": {"steps": 6, "save_every": 6}, "cache": tmp_path / "cache", "name": "x"}
        rules = {"objective": {"prediction": "epsilon"}}
        return made.recipe(models["sd1"].path, tmp_path / "p", tmp_path / out, **fields, **rules)

    job = Job(made.set_up(models["sd1"], recipe("one")))
    for _ in job.look():
        pass
    list(job.carried_out())
    both(recipe("two"), models["sd1"])
    one, two = (Record(tmp_path / out / "losses.jsonl").rows() for out in ("one", "two"))
    assert [row["step"] for row in two] == [1, 2, 3, 4, 5, 6]
    for row, other in zip(one, two, strict=True):
        assert other["loss"] == pytest.approx(row["loss"], rel=1e-5)
    assert (tmp_path / "two" / "x.safetensors").is_file()


@pytest.mark.filterwarnings("ignore:This process")
def test_a_lost_process_ends_the_run_with_a_word_and_it_goes_on(
    models: dict[str, Model], tmp_path: Path
) -> None:
    made.album(tmp_path / "p", 2)
    fields = {"batch": 2, "run": {"steps": 200, "save_every": 2}, "objective": {"prediction": "epsilon"}}
    recipe = made.recipe(models["sd1"].path, tmp_path / "p", tmp_path / "run", keep=1, **fields)
    said = both(recipe, models["sd1"], lose_second=True)
    assert "one is gone" in said.get(timeout=5)
    (state,) = (tmp_path / "run" / "states").iterdir()
    done = int(state.stem)
    assert 2 <= done < 200
    shorter = recipe.model_copy(update={"run": recipe.run.model_copy(update={"steps": done + 1})})
    job = Job(made.set_up(models["sd1"], shorter))
    for _ in job.look():
        pass
    list(job.carried_out())
    assert (tmp_path / "run" / "run.safetensors").is_file()


def test_a_batch_is_shared_evenly_or_not_at_all() -> None:
    assert Ranks().rows(5) == slice(0, 5)
    assert Ranks(1, 2).rows(6) == slice(3, 6)
    with pytest.raises(RequestError, match="3 processes"):
        Ranks(0, 3).rows(4)


def test_one_process_is_its_own_mean() -> None:
    numbers = torch.tensor([1.0, 2.0])
    Ranks().average([numbers])
    assert numbers.tolist() == [1.0, 2.0]
    assert Ranks().any(True)
    assert not Ranks().any(False)
