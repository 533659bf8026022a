"""The supervisor: one worker process for each device, started again when it dies."""

import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

from gesso.workers.painter import Machine
from gesso.workers.places import Places
from gesso.workers.table import JobTable
from gesso.workers.worker import Post, Rhythm, main

__all__ = ["Crew", "Supervisor"]

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds before a worker that died is started again: twice as long each time, unless it lived for longer."""


@dataclass(frozen=True)
class Crew:
    """Which workers to look after.

    Args:
        address: the job table's database.
        machines: what each of them computes with.
        target: what each process does.
    """

    address: str
    places: Places
    machines: Sequence[Machine]
    rhythm: Rhythm = field(default_factory=Rhythm)
    target: Callable[[Post], None] = main


@dataclass
class _Seat:
    """A device, and the process that has it."""

    post: Post
    process: BaseProcess | None = None
    begun: float = 0.0
    pause: float = FIRST_PAUSE
    due: float = 0.0


@dataclass
class Supervisor:
    """Starts workers, and looks after them until told to stop."""

    crew: Crew
    table: JobTable
    interval: float = 0.1
    over: threading.Event = field(default_factory=threading.Event)
    restarts: int = 0
    _seats: list[_Seat] = field(default_factory=list[_Seat])
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Supervisor":
        crew = self.crew
        self._seats = [
            _Seat(Post("", crew.address, crew.places, each, crew.rhythm)) for each in crew.machines
        ]
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        assert self._thread is not None
        self._thread.join()

    @property
    def alive(self) -> int:
        """How many workers live."""
        return sum(each.process is not None and each.process.is_alive() for each in self._seats)

    def _watch(self) -> None:
        expiry = 0.0
        while not self.over.is_set():
            now = time.monotonic()
            for seat in self._seats:
                self._look_after(seat, now)
            if now >= expiry:
                self.table.expire()
                expiry = now + 1.0
            self.over.wait(self.interval)
        self._dismiss()

    def _look_after(self, seat: _Seat, now: float) -> None:
        if seat.process is None:
            if now >= seat.due:
                self._start(seat, now)
            return
        if seat.process.is_alive():
            return
        seat.process.join()
        seat.process = None
        self.table.lost(seat.post.name)
        self.restarts += 1
        seat.pause = FIRST_PAUSE if now - seat.begun > LONGEST_PAUSE else min(seat.pause * 2, LONGEST_PAUSE)
        seat.due = now + seat.pause

    def _start(self, seat: _Seat, now: float) -> None:
        name = f"{socket.gethostname()}/{seat.post.machine.device}/{uuid.uuid4().hex[:12]}"
        seat.post = replace(seat.post, name=name)
        # not forked: threads and devices do not survive that
        seat.process = get_context("spawn").Process(target=self.crew.target, args=(seat.post,), name=name)
        seat.process.start()
        seat.begun = now

    def _dismiss(self) -> None:
        """Ask all to leave, and end those that do not."""
        left = [seat for seat in self._seats if seat.process is not None]
        for seat in left:
            assert seat.process is not None
            seat.process.terminate()
        for seat in left:
            assert seat.process is not None
            seat.process.join(20)
            if seat.process.is_alive():
                seat.process.kill()
                seat.process.join()
            self.table.release(seat.post.name)
