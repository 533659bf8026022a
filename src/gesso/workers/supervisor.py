"""The supervisor: one worker for each device, started again when it dies."""

import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Protocol

from sqlalchemy.exc import DBAPIError

from gesso.workers.painter import Machine
from gesso.workers.places import Places
from gesso.workers.table import JobTable
from gesso.workers.worker import Post, Rhythm, main

__all__ = ["Crew", "Hired", "Supervisor", "spawned"]

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds before a worker that died is started again: twice as long each time, unless it lived for longer."""


class Hired(Protocol):
    """A worker that was started; what a process of `multiprocessing` can."""

    def is_alive(self) -> bool:
        """Whether it works, or is about to."""
        ...

    def terminate(self) -> None:
        """Ask it to leave in good order."""
        ...

    def join(self, timeout: float | None = None) -> None:
        """Wait until it is gone, or for so many seconds."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


def spawned(post: Post, target: Callable[[Post], None] = main) -> Hired:
    """A worker in a process of its own on this machine."""
    # not forked: threads and devices do not survive that
    process = get_context("spawn").Process(target=target, args=(post,), name=post.name)
    process.start()
    return process


@dataclass(frozen=True)
class Crew:
    """Which workers to look after.

    Args:
        address: the job table's database.
        machines: what each of them computes with.
        hire: starts a worker.
    """

    address: str
    places: Places
    machines: Sequence[Machine]
    rhythm: Rhythm = field(default_factory=Rhythm)
    hire: Callable[[Post], Hired] = spawned


@dataclass
class _Seat:
    """A device, and the process that has it."""

    post: Post
    process: Hired | None = None
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
    _expiry: float = 0.0

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
        while not self.over.is_set():
            # a database that is away for a while comes back; what it was not told, leases tell it
            with suppress(DBAPIError):
                self._go_round(time.monotonic())
            self.over.wait(self.interval)
        self._dismiss()

    def _go_round(self, now: float) -> None:
        for seat in self._seats:
            self._look_after(seat, now)
        if now >= self._expiry:
            self._expiry = now + 1.0
            self.table.expire()

    def _look_after(self, seat: _Seat, now: float) -> None:
        if seat.process is None:
            if now >= seat.due:
                self._start(seat, now)
            return
        if seat.process.is_alive():
            return
        seat.process.join()
        seat.process = None
        self.restarts += 1
        seat.pause = FIRST_PAUSE if now - seat.begun > LONGEST_PAUSE else min(seat.pause * 2, LONGEST_PAUSE)
        seat.due = now + seat.pause
        self.table.lost(seat.post.name)

    def _start(self, seat: _Seat, now: float) -> None:
        name = f"{socket.gethostname()}/{seat.post.machine.device}/{uuid.uuid4().hex[:12]}"
        seat.post = replace(seat.post, name=name)
        seat.process = self.crew.hire(seat.post)
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
            with suppress(DBAPIError):
                self.table.release(seat.post.name)
