"""Tellings: what is told of a job, put into bytes once for all who are told."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from gesso.workers.job import Job

__all__ = ["Tellings"]


@dataclass
class Tellings:
    """The last telling of each of the jobs that were told of last.

    Args:
        most: of how many jobs.
    """

    most: int = 256
    _kept: OrderedDict[str, tuple[int, bytes]] = field(default_factory=OrderedDict[str, tuple[int, bytes]])

    def of(self, job: Job, make: Callable[[Job], bytes]) -> bytes:
        """What is told of a job as it is."""
        kept = self._kept.pop(job.id, None)
        if kept is None or kept[0] != job.revision:
            kept = (job.revision, make(job))
        self._kept[job.id] = kept
        while len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return kept[1]
