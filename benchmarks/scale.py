"""How far one queue carries: measured with few workers, and worked out for many by a simulation of the same.

python -m benchmarks.scale --out benchmarks/scale.json

Workers are the real ones over a real PostgreSQL, but only sleep instead of painting, so that nothing but the
queue is measured. Each job costs a time that all workers share (taken from workers that do not sleep
at all) and a time of its own (from a worker alone). The simulation knows these two numbers and nothing else.
The database does not flush to the disk, so that others' use of it does not count.
"""

import argparse
import heapq
import random
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import postgres
from benchmarks.serving import free_port, keep
from gesso.generation.pictures import Texts, write_picture
from gesso.request import Request
from gesso.workers.job import Entry, Job, State
from gesso.workers.order import Waiting, choose
from gesso.workers.painter import Advanced, Drawn, Happening
from gesso.workers.places import Places
from gesso.workers.table import JobTable
from gesso.workers.worker import Worker

SLEEP = 0.25
"""Seconds that a measured job takes."""
CROWD = 8
"""Workers that do not sleep, to find what the queue carries at most."""


@dataclass(frozen=True)
class Sleeper:
    """Paints nothing, slowly."""

    seconds: float
    loaded: Collection[str] = ("",)

    def paint(self, job: Job) -> Iterator[Happening]:
        """One step, one picture."""
        time.sleep(self.seconds)
        image = Image.new("RGB", (8, 8))
        yield Advanced(1, lambda: image)
        yield Drawn(job.request, image.size, lambda file: write_picture(image, file, Texts()))


@dataclass(frozen=True)
class Costs:
    """What a job takes beside painting, in seconds.

    Args:
        shared: during which no other worker's job gets on.
        own: during which others do.
    """

    shared: float
    own: float


def measured(address: str, folder: Path, workers: int, seconds: float, jobs: int) -> float:
    """Jobs a second of so many workers, each of whose jobs takes so long."""
    table = JobTable.at(address)
    for seed in range(jobs):
        table.submit(Entry(owner="o", request=Request(seed=seed), total=1))
    places = Places(folder, folder)
    crew = [
        Worker(f"{time.time()}{number}", JobTable.at(address), Sleeper(seconds), places)
        for number in range(workers)
    ]
    threads = [threading.Thread(target=each.run) for each in crew]
    began = time.perf_counter()
    for each in threads:
        each.start()
    while (counts := table.counts())[State.QUEUED] + counts[State.RUNNING]:
        time.sleep(0.05)
    took = time.perf_counter() - began
    for each in crew:
        each.leaving.set()
    for each in threads:
        each.join()
    for each in (table, *(worker.table for worker in crew)):
        each.engine.dispose()
    return jobs / took


def simulated(costs: Costs, workers: int, seconds: float, jobs: int) -> float:
    """Jobs a second, worked out: a worker waits for the queue, then paints."""
    free = [(0.0, number) for number in range(workers)]
    queue = end = 0.0
    for _ in range(jobs):
        now, worker = heapq.heappop(free)
        queue = max(queue, now) + costs.shared
        done = queue + costs.own + seconds
        end = max(end, done)
        heapq.heappush(free, (done, worker))
    return jobs / end


def switches(workers: int, models: int, *, jobs: int, seed: int = 1) -> float:
    """The share of jobs for which a model had to be loaded, by the queue's own order.

    Each worker keeps one model. Models are asked for as unevenly as words are used (the n-th 1/n as often);
    three jobs for each worker wait.
    """
    draw = random.Random(seed)
    kinds, weights = range(models), [1 / (1 + kind) for kind in range(models)]

    def asked(number: int) -> Waiting:
        return Waiting(str(number), "o", str(draw.choices(kinds, weights)[0]), float(number))

    waiting = [asked(number) for number in range(3 * workers)]
    loaded, streaks = [""] * workers, [0] * workers
    loads = 0
    for number in range(jobs):
        worker = draw.randrange(workers)
        best = choose(waiting, {}, [loaded[worker]], streaks[worker])
        assert best is not None
        streaks[worker] = 0 if best is waiting[0] else streaks[worker] + 1
        # the first filling counts for none
        loads += bool(loaded[worker]) and best.model != loaded[worker]
        loaded[worker] = best.model
        waiting.remove(best)
        waiting.append(asked(3 * workers + number))
    return loads / jobs


def main() -> None:
    """Measure, simulate the same, and more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    with (
        postgres.serving(free_port(), durable=False) as address,
        tempfile.TemporaryDirectory(dir="/dev/shm") as name,
    ):
        folder = Path(name)
        most = measured(address, folder, CROWD, 0.0, 300)
        alone = measured(address, folder, 1, SLEEP, 12)
        costs = Costs(1 / most, 0.0)
        costs = replace(costs, own=max(0.0, 1 / alone - SLEEP - costs.shared))
        small = {str(n): round(measured(address, folder, n, SLEEP, 12 * n), 1) for n in (2, 4, 8, 16)}
    found: dict[str, Any] = {
        "milliseconds a job, shared": round(1000 * costs.shared, 1),
        "milliseconds a job, own": round(1000 * costs.own, 1),
        "jobs a second at most": round(most, 1),
        f"jobs a second, measured, of {SLEEP} s each, by workers": {"1": round(alone, 1), **small},
        "the same, simulated": {
            str(n): round(simulated(costs, n, SLEEP, 12 * n), 1) for n in (1, 2, 4, 8, 16)
        },
        "jobs a second, simulated, of 5 s each, by workers": {
            str(n): round(simulated(costs, n, 5.0, 20 * n), 1) for n in (100, 300, 1000, 3000)
        },
        "share of jobs that load a model, by workers and models": {
            f"{n}, {models}": round(switches(n, models, jobs=20 * n), 3)
            for n, models in ((10, 10), (100, 10), (100, 50))
        },
    }
    keep(found, told.out)


if __name__ == "__main__":
    main()
