import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gesso.errors import ResourceError
from gesso.workers.job import Job, Picture, State
from gesso.workers.painter import Advanced, Drawn, Happening
from gesso.workers.table import Ending, Turn
from gesso.workers.worker import Worker
from tests.workers.fakes import FakePainter, entry, worker_in


def claimed(worker: Worker, prompt: str = "", count: int = 1) -> Job:
    worker.table.submit(entry(prompt=prompt, count=count))
    job = worker.table.claim(Turn(worker.name))
    assert job is not None
    return job


def after(worker: Worker, job: Job) -> Job:
    found = worker.table.get(job.id)
    assert found is not None
    return found


def test_a_job_is_painted_and_written_down(tmp_path: Path) -> None:
    worker = worker_in(tmp_path, FakePainter())
    job = claimed(worker, "a hat", count=2)
    worker.carry_out(job)
    done = after(worker, job)
    assert done.state is State.DONE
    assert [each.seed for each in done.pictures] == [5, 6]
    assert done.notes == ("as told",)
    assert (done.done, done.preview) == (4, 4)
    for each in done.pictures:
        with Image.open(worker.places.folder(job.id) / each.file) as image:
            assert image.getpixel((0, 0)) == (each.seed,) * 3
    assert not worker.places.preview(job.id).exists()


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [("refused", "it must fit, however: it does not; try less"), ("fault", "RuntimeError: a fault")],
)
def test_what_goes_wrong_stands_with_the_job(tmp_path: Path, prompt: str, reason: str) -> None:
    worker = worker_in(tmp_path, FakePainter())
    job = claimed(worker, prompt)
    worker.carry_out(job)
    assert after(worker, job).state is State.FAILED
    assert after(worker, job).reason == reason


class Interrupted(FakePainter):
    """Something happens after the first step."""

    def __init__(self, worker: Worker, what: str) -> None:
        super().__init__()
        self.worker, self.what = worker, what

    def paint(self, job: Job) -> Iterator[Happening]:
        steps = super().paint(job)
        yield next(steps)
        match self.what:
            case "cancel":
                self.worker.table.cancel(job.id)
            case "leave":
                self.worker.leaving.set()
            case "lose":
                self.worker.table.lost(self.worker.name)
            case _:
                raise ResourceError("disk full")
        yield from steps


@pytest.mark.parametrize(
    ("what", "state"),
    [("cancel", State.CANCELLED), ("leave", State.RUNNING), ("lose", State.QUEUED), ("fail", State.FAILED)],
)
def test_a_job_stops_at_its_next_step(tmp_path: Path, what: str, state: State) -> None:
    worker = worker_in(tmp_path, FakePainter())
    worker.painter = Interrupted(worker, what)
    other = worker.table.submit(entry())
    job = claimed(worker, count=3)
    mine = other if job.id == other.id else job
    worker.carry_out(job)
    assert after(worker, mine).state is state
    assert after(worker, mine).pictures == ()


class Skipping(FakePainter):
    """Somebody skips the pictures of these seeds while they are painted."""

    def __init__(self, worker: Worker, seeds: set[int]) -> None:
        super().__init__()
        self.worker, self.seeds = worker, seeds

    def paint(self, job: Job) -> Iterator[Happening]:
        behind = job.begun
        for event in super().paint(job):
            # what is drawn is written down by and by, and nobody skips what he does not see
            while (now := after(self.worker, job)).begun < behind:
                time.sleep(0.001)
            behind += isinstance(event, Drawn)
            if isinstance(event, Advanced) and (now.request.seed or 0) + now.begun in self.seeds:
                assert self.worker.table.skip(job.id)
            yield event


@pytest.mark.parametrize(
    ("seeds", "painted", "state"),
    [
        ({6}, [5, 7], State.DONE),
        ({5, 6}, [7], State.DONE),
        ({7}, [5, 6], State.DONE),
        ({5, 6, 7}, [], State.CANCELLED),
    ],
)
def test_a_skipped_picture_is_left_out_and_the_job_goes_on(
    tmp_path: Path, seeds: set[int], painted: list[int], state: State
) -> None:
    worker = worker_in(tmp_path, FakePainter())
    worker.painter = Skipping(worker, seeds)
    job = claimed(worker, count=3)
    while (now := after(worker, job)).state is State.RUNNING:
        worker.carry_out(now)
        worker.table.claim(Turn(worker.name))
    assert (now.state, now.skipped, now.skipping) == (state, len(seeds), None)
    assert [each.seed for each in now.pictures] == painted
    assert not worker.table.skip(job.id)


def test_a_picture_that_was_finished_in_the_meantime_stays(tmp_path: Path) -> None:
    worker = worker_in(tmp_path, FakePainter())
    job = claimed(worker, count=2)
    assert worker.table.skip(job.id)
    assert not worker.table.wanted(job.id, worker.name)
    worker.table.painted(job.id, worker.name, Picture(file="0.png", seed=5, prompt="", size=(8, 8)))
    worker.table.finish(job.id, worker.name, Ending(State.CANCELLED))
    found = after(worker, job)
    assert (found.state, found.skipped, len(found.pictures)) == (State.QUEUED, 0, 1)


def test_a_worker_that_leaves_gives_its_jobs_back(tmp_path: Path) -> None:
    worker = worker_in(tmp_path, FakePainter())
    worker.painter = Interrupted(worker, "leave")
    job = worker.table.submit(entry())
    worker.run()
    assert after(worker, job).state is State.QUEUED
    assert after(worker, job).crashes == 0


def test_pictures_that_are_there_are_not_painted_again(tmp_path: Path) -> None:
    worker = worker_in(tmp_path, FakePainter())
    job = claimed(worker, count=2)
    worker.carry_out(job)
    worker.table.engine.dispose()
    assert after(worker, job).state is State.DONE
    again = after(worker, job).model_copy(update={"state": State.RUNNING})
    painter = FakePainter()
    worker.painter = painter
    worker.carry_out(again)
    assert painter.asked == []


def test_a_full_disk_pauses_the_queue(tmp_path: Path) -> None:
    worker = worker_in(tmp_path, FakePainter())
    assert worker.has_room()
    job = worker.table.submit(entry())
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    worker.rhythm = type(worker.rhythm)(idle=0.001, reserve=free * 2)
    threading.Timer(0.1, worker.leaving.set).start()
    worker.run()
    assert after(worker, job).state is State.QUEUED
