"""The hub: whoever waits for jobs is told of their changes; one look at the table serves all."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from gesso.workers.job import Job, State
from gesso.workers.table import JobTable

__all__ = ["Hub"]


@dataclass(frozen=True)
class _Seen:
    """How a job was when it was last told, and from when on it may be told again."""

    how: tuple[int, State]
    again: float

    def due(self, how: tuple[int, State]) -> bool:
        """Whether what it is now is to be told."""
        return how[1] != self.how[1] or (how[0] != self.how[0] and time.monotonic() >= self.again)


@dataclass
class Hub:
    """Looks at the table as long as anybody waits.

    Args:
        interval: seconds between two looks.
        pace: seconds between two times that a job's steps are told; its end is told at once.
        silence: seconds after which a job is told again though nothing happened, so that no proxy hangs up.
    """

    table: JobTable
    interval: float = 0.04
    pace: float = 0.2
    silence: float = 15.0
    _waiting: dict[str, set[asyncio.Queue[Job | None]]] = field(
        default_factory=dict[str, set[asyncio.Queue[Job | None]]]
    )
    _seen: dict[str, _Seen] = field(default_factory=dict[str, _Seen])
    _looking: asyncio.Task[None] | None = None

    async def follow(self, job: Job) -> AsyncGenerator[Job]:
        """The job as it is known, and again when it changed, until it is over or forgotten.

        Who reads slowly is told the last only.
        """
        news: asyncio.Queue[Job | None] = asyncio.Queue(maxsize=1)
        self._waiting.setdefault(job.id, set()).add(news)
        # what is known here may be older than what was told to others
        self._seen.pop(job.id, None)
        try:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            last, found = job, job
            while found is not None:
                if found is last or found.revision > last.revision:
                    last = found
                    yield found
                    if found.over:
                        return
                found = await self._next(news, last)
        finally:
            self._waiting[job.id].discard(news)
            if not self._waiting[job.id]:
                del self._waiting[job.id]
                self._seen.pop(job.id, None)

    async def over(self, job: Job) -> Job | None:
        """The job when it is over; None if it was forgotten."""
        last = job
        async for each in self.follow(job):
            last = each
        return last if last.over else None

    async def _next(self, news: asyncio.Queue[Job | None], last: Job) -> Job | None:
        try:
            async with asyncio.timeout(self.silence):
                return await news.get()
        except TimeoutError:
            return last

    async def _look(self) -> None:
        while self._waiting:
            # a database that is away for a while comes back
            with suppress(DBAPIError):
                await self._look_once(list(self._waiting))
            await asyncio.sleep(self.interval)

    async def _look_once(self, wanted: list[str]) -> None:
        now = await asyncio.to_thread(self.table.revisions, wanted)
        for gone in set(wanted) - set(now):
            self._tell(gone, None)
        due = [job for job, how in now.items() if job not in self._seen or self._seen[job].due(how)]
        # marked before it is read: whoever begins to follow meanwhile takes the mark away
        self._seen |= {job: _Seen(now[job], time.monotonic() + self.pace) for job in due}
        for job in await asyncio.to_thread(self.table.some, due) if due else ():
            self._tell(job.id, job)

    def _tell(self, job: str, news: Job | None) -> None:
        for queue in self._waiting.get(job, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(news)
