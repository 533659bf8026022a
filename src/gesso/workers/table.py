"""The job table: what was accepted, on disk before anyone is told so.

Every change is one transaction. A worker's changes name the worker, so that one that was given up for lost
cannot write over its successor.
"""

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    String,
    and_,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)

from gesso.workers.job import ENDED, Entry, Job, Picture, State
from gesso.workers.order import Waiting, choose
from gesso.workers.schema import JOBS, Writing, opened

__all__ = ["Ending", "JobTable", "Listing", "Turn"]

OPEN = (State.QUEUED, State.RUNNING)


@dataclass(frozen=True)
class Ending:
    """How a job ended."""

    state: State
    reason: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """Which jobs to list, the newest first.

    Args:
        owner: whose; None for everyone's.
        states: in which states.
        words: what their prompts contain.
        before: accepted before this time.
        limit: at most so many.
    """

    owner: str | None = None
    states: Collection[State] = tuple(State)
    words: str = ""
    before: float | None = None
    limit: int = 100


@dataclass
class Turn:
    """What one worker has in memory, and how many jobs in a row it took because of that.

    Args:
        worker: the worker's name, which no other ever had.
    """

    worker: str
    loaded: Collection[str] = ()
    streak: int = 0


@dataclass(frozen=True)
class JobTable:
    """All jobs, in one database that any number of servers and workers share.

    Args:
        engine: the database.
        lease: seconds for which a worker's word holds that it is at work.
        crash_limit: how many workers a job may take down before it is put into quarantine.
        clock: Unix time in seconds.
    """

    engine: Engine
    lease: float = 10.0
    crash_limit: int = 2
    clock: Callable[[], float] = field(default=time.time)

    @staticmethod
    def at(address: str) -> "JobTable":
        """The table in the database at an address, made if it is not there."""
        return JobTable(opened(address))

    def submit(self, entry: Entry) -> Job:
        """Accept an ask: when this returns, it is on the disk."""
        now = self.clock()
        job = Job(**dict(entry), id=uuid.uuid4().hex, position=now, accepted=now)
        row = {**job.model_dump(mode="json"), "lease": None}
        with self._writing() as connection:
            connection.execute(insert(JOBS).values(row))
        return job

    def get(self, job: str) -> Job | None:
        """The job of that id; None if there is none."""
        return next(iter(self.some([job])), None)

    def some(self, ids: Iterable[str]) -> list[Job]:
        """The jobs of these ids, as far as there are any."""
        return self._read(JOBS.c.id.in_(list(ids)))

    def revisions(self, ids: Iterable[str]) -> dict[str, tuple[int, State]]:
        """How often each of these jobs has changed, and where it stands."""
        query = select(JOBS.c.id, JOBS.c.revision, JOBS.c.state).where(JOBS.c.id.in_(list(ids)))
        with self.engine.connect() as connection:
            return {row.id: (row.revision, State(row.state)) for row in connection.execute(query)}

    def listed(self, listing: Listing) -> list[Job]:
        """Jobs, the newest first."""
        where: list[ColumnElement[bool]] = [JOBS.c.state.in_(list(listing.states))]
        if listing.owner is not None:
            where.append(JOBS.c.owner == listing.owner)
        if listing.before is not None:
            where.append(JOBS.c.accepted < listing.before)
        if listing.words:
            where.append(JOBS.c.request["prompt"].as_string().icontains(listing.words, autoescape=True))
        return self._read(and_(*where), order=JOBS.c.accepted.desc(), limit=listing.limit)

    def same(self, owner: str, fingerprint: str, since: float) -> Job | None:
        """The owner's newest ask with that fingerprint which was accepted since then."""
        where = and_(JOBS.c.owner == owner, JOBS.c.fingerprint == fingerprint, JOBS.c.accepted >= since)
        return next(iter(self._read(where, order=JOBS.c.accepted.desc(), limit=1)), None)

    def counts(self, owner: str | None = None) -> Mapping[State, int]:
        """How many jobs stand where."""
        query = select(JOBS.c.state, func.count()).group_by(JOBS.c.state)
        if owner is not None:
            query = query.where(JOBS.c.owner == owner)
        with self.engine.connect() as connection:
            found = {State(state): count for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in State}

    def ahead(self, job: Job) -> int:
        """How many queued jobs stand before this one."""
        before = and_(JOBS.c.state == State.QUEUED, JOBS.c.position < job.position)
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).where(before)).scalar_one()

    def claim(self, turn: Turn) -> Job | None:
        """Give a worker its next job; None if nothing waits."""
        if not self._waits():
            return None
        with self._writing() as connection:
            waiting, served = _queue(connection)
            while (best := choose(waiting, served, turn.loaded, turn.streak)) is not None:
                head = choose(waiting, served, (), 0)
                mine = {
                    "state": State.RUNNING,
                    "worker": turn.worker,
                    "started": self.clock(),
                    "lease": self.clock() + self.lease,
                }
                if _change(connection, and_(JOBS.c.id == best.id, JOBS.c.state == State.QUEUED), mine):
                    turn.streak = 0 if best == head else turn.streak + 1
                    return _job(connection, best.id)
                waiting = [each for each in waiting if each != best]
        return None

    def renew(self, worker: str) -> None:
        """The worker is at work."""
        with self._writing(Writing.SOON) as connection:
            connection.execute(update(JOBS).where(_at(worker)).values(lease=self.clock() + self.lease))

    def wanted(self, job: str, worker: str) -> bool:
        """Whether the worker still has that job, and is to go on with it."""
        stays = (JOBS.c.cancelling.is_(False), JOBS.c.skipping.is_(None))
        query = select(JOBS.c.id).where(_held(job, worker), *stays)
        with self.engine.connect() as connection:
            return connection.execute(query).first() is not None

    def stepped(self, job: str, worker: str, done: int, preview: int) -> None:
        """Steps are done, and so many previews are made."""
        with self._writing(Writing.SOON) as connection:
            _change(connection, _held(job, worker), {"done": done, "preview": preview})

    def painted(self, job: str, worker: str, picture: Picture) -> bool:
        """A picture is finished and on the disk; False if the worker no longer has the job."""
        with self._writing() as connection:
            held = select(JOBS.c.pictures).where(_held(job, worker)).with_for_update()
            before = connection.execute(held).scalar_one_or_none()
            if before is None:
                return False
            return _change(
                connection, JOBS.c.id == job, {"pictures": [*before, picture.model_dump(mode="json")]}
            )

    def finish(self, job: str, worker: str, ending: Ending) -> bool:
        """The job ended, or was left off to skip a picture; False if the worker no longer has it."""
        values = {
            "state": ending.state,
            "reason": (ending.reason or "")[:2000] or None,
            "notes": list(ending.notes),
            "ended": self.clock(),
            "lease": None,
        }
        with self._writing() as connection:
            if ending.state is State.CANCELLED:
                skips = and_(_held(job, worker), JOBS.c.skipping.is_not(None), JOBS.c.cancelling.is_(False))
                row = connection.execute(select(JOBS).where(skips).with_for_update()).mappings().first()
                values |= self._skipped(_from_row(row)) if row else {}
            return _change(connection, _held(job, worker), values)

    def skip(self, job: str) -> bool:
        """Leave out the picture that a job paints now, at its next step; False if it does not run."""
        runs = and_(JOBS.c.id == job, JOBS.c.state == State.RUNNING)
        with self._writing() as connection:
            row = connection.execute(select(JOBS).where(runs).with_for_update()).mappings().first()
            return row is not None and _change(connection, runs, {"skipping": _from_row(row).begun})

    def cancel(self, job: str) -> bool:
        """Stop that job: at once if it waits, else at its next step; False if it is over or unknown."""
        now = {"state": State.CANCELLED, "ended": self.clock()}
        with self._writing() as connection:
            waits = and_(JOBS.c.id == job, JOBS.c.state == State.QUEUED)
            runs = and_(JOBS.c.id == job, JOBS.c.state == State.RUNNING)
            return _change(connection, waits, now) or _change(connection, runs, {"cancelling": True})

    def move(self, job: str, before: str | None) -> bool:
        """Put a queued job before another queued one, or at the end; False if one of them does not wait."""
        with self._writing() as connection:
            query = select(JOBS.c.id, JOBS.c.position).where(JOBS.c.state == State.QUEUED)
            places = {row.id: row.position for row in connection.execute(query.order_by(JOBS.c.position))}
            if places.pop(job, None) is None or (before is not None and before not in places):
                return False
            position = self.clock() if before is None else _between(places, before)
            waits = and_(JOBS.c.id == job, JOBS.c.state == State.QUEUED)
            return _change(connection, waits, {"position": position})

    def retry(self, job: str) -> bool:
        """Queue a job again that failed, was cancelled or put into quarantine, with the pictures it has."""
        again = [State.FAILED, State.CANCELLED, State.QUARANTINED]
        with self._writing() as connection:
            return _change(
                connection,
                and_(JOBS.c.id == job, JOBS.c.state.in_(again)),
                {**_WAITING, "crashes": 0, "reason": None, "ended": None, "position": self.clock()},
            )

    def release(self, worker: str) -> None:
        """The worker leaves in good order: its jobs wait again, where they were."""
        with self._writing() as connection:
            _hold(connection, _at(worker))
            _change(connection, and_(_at(worker), JOBS.c.cancelling.is_(True)), self._cancelled())
            _change(connection, _at(worker), _WAITING)

    def lost(self, worker: str) -> None:
        """The worker is gone: its jobs wait again, and those that took too many down go into quarantine."""
        with self._writing() as connection:
            self._lose(connection, _at(worker))

    def expire(self) -> None:
        """Workers that were not heard of for as long as a lease are gone."""
        gone = and_(JOBS.c.state == State.RUNNING, JOBS.c.lease < self.clock())
        with self._writing() as connection:
            self._lose(connection, gone)

    def forget(self, ids: Sequence[str]) -> None:
        """Strike jobs that are over from the table."""
        with self._writing() as connection:
            connection.execute(delete(JOBS).where(JOBS.c.id.in_(ids), JOBS.c.state.in_([*ENDED])))

    def ended_before(self, when: float) -> list[Job]:
        """Jobs that were over by that time, the oldest first."""
        return self._read(and_(JOBS.c.ended < when, JOBS.c.state.in_([*ENDED])), order=JOBS.c.ended)

    def requests_with(self, text: str) -> list[str]:
        """The requests, as JSON, that contain a text."""
        packed = cast(JOBS.c.request, String)
        with self.engine.connect() as connection:
            return list(
                connection.execute(select(packed).where(packed.contains(text, autoescape=True))).scalars()
            )

    def _lose(self, connection: Connection, whose: ColumnElement[bool]) -> None:
        crashes = JOBS.c.crashes + 1
        _hold(connection, whose)
        _change(connection, and_(whose, JOBS.c.cancelling.is_(True)), self._cancelled())
        why = f"its worker was lost {self.crash_limit} times while it had this job"
        quarantined = {
            "state": State.QUARANTINED,
            "crashes": crashes,
            "reason": why,
            "ended": self.clock(),
            "lease": None,
        }
        _change(connection, and_(whose, crashes >= self.crash_limit), quarantined)
        _change(connection, whose, {**_WAITING, "crashes": crashes})

    def _waits(self) -> bool:
        """Whether anything waits; asked first, so that idle workers take no lock."""
        with self.engine.connect() as connection:
            query = select(JOBS.c.id).where(JOBS.c.state == State.QUEUED).limit(1)
            return connection.execute(query).first() is not None

    def _skipped(self, job: Job) -> dict[str, Any]:
        """How a job goes on without a picture, if it was not finished in the meantime."""
        skipped = job.skipped + (job.skipping == job.begun)
        told = {**_WAITING, "skipped": skipped, "skipping": None, "ended": None}
        if len(job.pictures) + skipped < job.request.count:
            return told
        ended = State.DONE if job.pictures else State.CANCELLED
        return {"state": ended, "skipped": skipped, "skipping": None}

    def _cancelled(self) -> dict[str, Any]:
        return {"state": State.CANCELLED, "ended": self.clock(), "lease": None}

    def _read(
        self, where: ColumnElement[bool], *, order: ColumnElement[Any] | None = None, limit: int | None = None
    ) -> list[Job]:
        query = select(JOBS).where(where).order_by(JOBS.c.position if order is None else order).limit(limit)
        with self.engine.connect() as connection:
            return [_from_row(row) for row in connection.execute(query).mappings()]

    def _writing(self, how: Writing = Writing.SURELY) -> AbstractContextManager[Connection]:
        return self.engine.execution_options(writing=how).begin()


_WAITING: Mapping[str, Any] = {
    "state": State.QUEUED,
    "worker": None,
    "lease": None,
    "cancelling": False,
    "skipping": None,
    "started": None,
    "done": 0,
}


def _queue(connection: Connection) -> tuple[list[Waiting], dict[str, float]]:
    """What waits, and when each owner's last job began."""
    columns = (JOBS.c.id, JOBS.c.owner, JOBS.c.model, JOBS.c.position)
    waiting = [
        Waiting(*row) for row in connection.execute(select(*columns).where(JOBS.c.state == State.QUEUED))
    ]
    owners = {each.owner for each in waiting}
    if len(owners) < 2:
        return waiting, {}
    begun = select(JOBS.c.owner, func.max(JOBS.c.started)).where(JOBS.c.owner.in_(owners))
    rows = connection.execute(begun.group_by(JOBS.c.owner))
    return waiting, {owner: when or 0.0 for owner, when in rows}


def _at(worker: str) -> ColumnElement[bool]:
    return and_(JOBS.c.worker == worker, JOBS.c.state == State.RUNNING)


def _held(job: str, worker: str) -> ColumnElement[bool]:
    return and_(JOBS.c.id == job, _at(worker))


def _hold(connection: Connection, where: ColumnElement[bool]) -> None:
    """Let nobody else change these jobs before this transaction ends; SQLite holds all of them anyway."""
    connection.execute(select(JOBS.c.id).where(where).with_for_update())


def _change(connection: Connection, where: ColumnElement[bool], values: Mapping[str, Any]) -> bool:
    """Change the jobs that fit; whether there was one."""
    told = update(JOBS).where(where).values({**values, "revision": JOBS.c.revision + 1})
    return connection.execute(told).rowcount > 0


def _job(connection: Connection, job: str) -> Job:
    return _from_row(connection.execute(select(JOBS).where(JOBS.c.id == job)).mappings().one())


def _from_row(row: Mapping[Any, Any]) -> Job:
    return Job.model_validate({key: value for key, value in row.items() if key != "lease"})


def _between(places: Mapping[str, float], before: str) -> float:
    """A position just before one, in a queue that is in order."""
    order = list(places)
    index = order.index(before)
    after = places[before]
    return (places[order[index - 1]] + after) / 2 if index else after - 1.0
