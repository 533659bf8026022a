"""A worker: one process with one device that takes jobs, paints them and writes down how it stands."""

import os
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing import parent_process
from pathlib import Path
from typing import ParamSpec

from gesso.errors import GessoError, ResourceError
from gesso.workers.job import Job, Picture, State
from gesso.workers.painter import Advanced, Drawn, Happening, Machine, Noted, Painter
from gesso.workers.places import Places
from gesso.workers.table import Ending, JobTable, Turn

__all__ = ["Post", "Rhythm", "Worker", "main", "work"]

P = ParamSpec("P")
AHEAD = 16
"""How many pictures and reports may wait for a disk that halts for a while."""


@dataclass(frozen=True)
class Rhythm:
    """How often a worker does what, in seconds; and the disk it leaves free, in bytes.

    Args:
        idle: between two looks whether anything waits.
        heed: between two looks, after a step, whether its job is still wanted.
    """

    idle: float = 0.05
    heed: float = 0.05
    progress: float = 0.25
    preview: float = 0.7
    reserve: int = 256 * 2**20


@dataclass(frozen=True)
class Post:
    """All that a worker process is told when it starts.

    Args:
        name: the worker's name, which no other ever had.
        address: the job table's database.
    """

    name: str
    address: str
    places: Places
    machine: Machine
    rhythm: Rhythm = Rhythm()


@dataclass
class Worker:
    """Takes one job after another."""

    name: str
    table: JobTable
    painter: Painter
    places: Places
    rhythm: Rhythm = Rhythm()
    leaving: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Work until told to leave."""
        turn = Turn(self.name)
        while not self.leaving.is_set():
            turn.loaded = self.painter.loaded
            job = self.table.claim(turn) if self.has_room() else None
            if job is None:
                self.leaving.wait(self.rhythm.idle)
            else:
                self.carry_out(job)
        self.table.release(self.name)

    def has_room(self) -> bool:
        """Whether there is disk enough to begin with another picture."""
        self.places.data.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self.places.data).free >= self.rhythm.reserve

    def carry_out(self, job: Job) -> None:
        """Paint a job and write down how it ended; leaving early, it is left as it is."""
        try:
            ending = self._painted(job)
        except GessoError as error:
            hint = f"; {error.hint}" if error.hint else ""
            ending = Ending(State.FAILED, self.places.discreet(f"{error}{hint}"))
        except Exception as error:
            # a fault of ours must not take the queue with it, nor count as a crash; it stands with the job
            ending = Ending(State.FAILED, self.places.discreet(f"{type(error).__name__}: {error}"))
        if ending is not None:
            self.table.finish(job.id, self.name, ending)
        self.places.preview(job.id).unlink(missing_ok=True)

    def _painted(self, job: Job) -> Ending | None:
        """How it ended; None if it did not."""
        if job.begun >= job.request.count:
            return Ending(State.DONE)
        # how it stands is brought to the disk while painting goes on
        with ThreadPoolExecutor(1) as clerk, closing(_generator(self.painter, job)) as happenings:
            log = _Log(self, job, clerk)
            for event in happenings:
                match event:
                    case Advanced():
                        log.advanced(event)
                    case Drawn():
                        log.drawn(event)
                    case Noted(notes):
                        log.notes = notes
                if self.leaving.is_set():
                    return None
                if not log.wanted():
                    return Ending(State.CANCELLED)
            log.settled()
        return Ending(State.DONE, notes=log.notes)


def _generator(painter: Painter, job: Job) -> Generator[Happening]:
    yield from painter.paint(job)


@dataclass
class _Log:
    """Writes down how one job stands, not more often than anyone looks."""

    worker: Worker
    job: Job
    clerk: Executor
    notes: tuple[str, ...] = ()
    told: float = 0.0
    heeded: float = 0.0
    handed: deque[Future[None]] = field(default_factory=deque[Future[None]])
    looked: float = field(default_factory=time.monotonic)
    previews: int = field(init=False)
    before: int = field(init=False)
    painted: int = field(init=False)

    def __post_init__(self) -> None:
        self.previews = self.job.preview
        self.painted = self.job.begun
        self.before = self.job.total * self.painted // self.job.request.count

    def advanced(self, event: Advanced) -> None:
        now = time.monotonic()
        if now - self.looked >= self.worker.rhythm.preview:
            self._look(event)
            self.looked = time.monotonic()
        elif now - self.told < self.worker.rhythm.progress:
            return
        self.told = now
        done = self.before + event.done
        self._hand(self.worker.table.stepped, self.job.id, self.worker.name, done, self.previews)

    def wanted(self) -> bool:
        """Whether to go on."""
        now = time.monotonic()
        if now - self.heeded < self.worker.rhythm.heed:
            return True
        self.heeded = now
        return self.worker.table.wanted(self.job.id, self.worker.name)

    def drawn(self, event: Drawn) -> None:
        self._hand(self._keep, event, self.painted)
        self.painted += 1

    def settled(self, ahead: int = 0) -> None:
        """Wait until all that was handed over but the last few is on the disk.

        Raises:
            GessoError: it cannot be.
        """
        while len(self.handed) > ahead or (self.handed and self.handed[0].done()):
            self.handed.popleft().result()

    def _hand(self, write: Callable[P, None], *args: P.args, **named: P.kwargs) -> None:
        self.settled(AHEAD)
        self.handed.append(self.clerk.submit(write, *args, **named))

    def _keep(self, event: Drawn, number: int) -> None:
        file = _flushed(event.save(self.worker.places.folder(self.job.id) / f"{number}.png"))
        picture = Picture(
            file=file.name, seed=event.request.seed or 0, prompt=event.request.prompt, size=event.size
        )
        self.worker.table.painted(self.job.id, self.worker.name, picture)

    def _look(self, event: Advanced) -> None:
        path = self.worker.places.preview(self.job.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        event.preview().convert("RGB").save(part, "JPEG", quality=85)
        part.replace(path)
        self.previews += 1


def main(post: Post) -> None:
    """A worker process, from start to end."""
    leaving = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def leave(_signal: int, _frame: object) -> None:
        leaving.set()

    signal.signal(signal.SIGTERM, leave)
    threading.Thread(target=_orphaned, daemon=True).start()
    work(post, leaving)


def work(post: Post, leaving: threading.Event) -> None:
    """Work at a post until told to leave."""
    # torch is for those who paint: the server imports this module too
    from gesso.workers.model_painter import ModelPainter

    table = JobTable.at(post.address)
    painter = ModelPainter(post.places, post.machine)
    with _heartbeat(table, post.name):
        Worker(post.name, table, painter, post.places, post.rhythm, leaving).run()


def _orphaned() -> None:
    """Whoever looks after this process is gone: so is it, and its jobs go to the next."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(4)


@contextmanager
def _heartbeat(table: JobTable, name: str) -> Generator[None]:
    """Tell from time to time that the worker is at work, also in the middle of a long step."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(table.lease / 4):
            table.renew(name)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _flushed(path: Path) -> Path:
    """The file and its name, on the disk."""
    for each in (path, path.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            raise ResourceError(f"{path} must be a place to write to, however: {error.strerror}") from error
        finally:
            os.close(handle)
    return path
