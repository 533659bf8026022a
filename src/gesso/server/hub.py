"""The hub: whoever waits for jobs is told of their changes; one look at the table serves all."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from gesso.workers.job import Job
from gesso.workers.table import JobTable

__all__ = ["Hub"]


@dataclass
class Hub:
    """Looks at the table as long as anybody waits.

    Args:
        interval: seconds between two looks.
    """

    table: JobTable
    interval: float = 0.04
    _waiting: dict[str, set[asyncio.Queue[Job | None]]] = field(
        default_factory=dict[str, set[asyncio.Queue[Job | None]]]
    )
    _looking: asyncio.Task[None] | None = None

    async def follow(self, job: str) -> AsyncGenerator[Job]:
        """The job as it is, and again each time it changed, until it is over or forgotten.

        Who reads slowly is told the last only.
        """
        news: asyncio.Queue[Job | None] = asyncio.Queue(maxsize=1)
        self._waiting.setdefault(job, set()).add(news)
        try:
            found = await asyncio.to_thread(self.table.get, job)
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            revision = -1
            while found is not None:
                if found.revision > revision:
                    revision = found.revision
                    yield found
                    if found.over:
                        return
                found = await news.get()
        finally:
            self._waiting[job].discard(news)
            if not self._waiting[job]:
                del self._waiting[job]

    async def over(self, job: str) -> Job | None:
        """The job when it is over; None if it was forgotten."""
        found = [each async for each in self.follow(job)]
        return found[-1] if found and found[-1].over else None

    async def _look(self) -> None:
        seen: dict[str, int] = {}
        while self._waiting:
            wanted = list(self._waiting)
            now = await asyncio.to_thread(self.table.revisions, wanted)
            changed = [job for job in wanted if job in now and now[job] != seen.get(job)]
            for job in await asyncio.to_thread(self.table.some, changed) if changed else ():
                self._tell(job.id, job)
            for job in set(wanted) - set(now):
                self._tell(job, None)
            seen = now
            await asyncio.sleep(self.interval)

    def _tell(self, job: str, news: Job | None) -> None:
        for queue in self._waiting.get(job, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(news)
