"""Painters that need no model, and jobs for them."""

import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from gesso.errors import ResourceError
from gesso.generation.pictures import Texts, write_picture
from gesso.request import Request
from gesso.workers.job import Entry, Job
from gesso.workers.painter import Advanced, Drawn, Happening, Noted
from gesso.workers.places import Places
from gesso.workers.schema import opened
from gesso.workers.table import JobTable
from gesso.workers.worker import Post, Rhythm, Worker

STEPS = 2
QUICK = Rhythm(idle=0.005, heed=0.0, progress=0.0, preview=0.0, reserve=0)


def entry(owner: str = "ann", model: str = "", *, prompt: str = "", count: int = 1) -> Entry:
    request = Request(prompt=prompt, seed=5, count=count)
    return Entry(owner=owner, model=model, request=request, total=STEPS * count)


@dataclass
class Clock:
    """Time that passes when it is told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@dataclass
class FakePainter:
    """Paints squares whose grey is the seed; what the prompt says may go wrong."""

    pause: float = 0.0
    loaded: Collection[str] = ()
    asked: list[str] = field(default_factory=list)

    def paint(self, job: Job) -> Iterator[Happening]:
        self.loaded = {job.model}
        self.asked.append(job.id)
        done = 0
        for index in range(job.begun, job.request.count):
            seed = (job.request.seed or 0) + index
            for _ in range(STEPS):
                time.sleep(self.pause)
                self._go_wrong(job.request.prompt)
                done += 1
                yield Advanced(done, lambda: Image.new("RGB", (8, 8)))
            image = Image.new("RGB", (8, 8), (seed % 256,) * 3)
            solo = job.request.model_copy(update={"seed": seed, "count": 1})
            yield Drawn(solo, image.size, lambda file, image=image: write_picture(image, file, Texts()))
        yield Noted(("as told",))

    def _go_wrong(self, prompt: str) -> None:
        if prompt == "poison":
            os._exit(9)
        if prompt == "refused":
            raise ResourceError("it must fit, however: it does not", hint="try less")
        if prompt == "fault":
            raise RuntimeError("a fault")


def table_in(folder: Path) -> JobTable:
    return JobTable(opened(f"sqlite:///{folder / 'jobs.db'}"))


def worker_in(folder: Path, painter: FakePainter, name: str = "w1") -> Worker:
    return Worker(name, table_in(folder), painter, Places(folder, folder), QUICK)


def fake_main(post: Post) -> None:
    """What a process does in tests: paint squares until it is ended."""
    Worker(post.name, JobTable.at(post.address), FakePainter(), post.places, post.rhythm).run()
