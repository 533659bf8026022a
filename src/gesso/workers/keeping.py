"""Keeping: how long finished jobs stay, by age and by the bytes of their pictures."""

import re
import shutil
import time
from dataclasses import dataclass

from gesso.workers.job import Job
from gesso.workers.places import Places
from gesso.workers.table import JobTable

__all__ = ["Keeping", "tidied"]


@dataclass(frozen=True)
class Keeping:
    """How long things stay.

    Args:
        age: seconds after which a job that is over goes, with its pictures.
        room: the most bytes of pictures; the oldest go first.
        uploads: seconds after which a picture goes that was sent and that no job uses.
    """

    age: float = 30 * 86400.0
    room: int = 20 * 2**30
    uploads: float = 86400.0


def tidied(table: JobTable, places: Places, keeping: Keeping) -> int:
    """Let go of what is too old or too much; returns how many jobs went.

    Jobs that wait or run keep everything that they use.
    """
    now = table.clock()
    over = table.ended_before(now)
    old = [each for each in over if each.ended is not None and each.ended < now - keeping.age]
    sizes = {each.id: _bytes(each, places) for each in over}
    left, room = sum(sizes.values()) - sum(sizes[each.id] for each in old), keeping.room
    for each in over[len(old) :]:
        if left <= room:
            break
        old.append(each)
        left -= sizes[each.id]
    # rows first: a picture without its job is found by nobody, a job without its picture by its owner
    table.forget([each.id for each in old])
    for each in old:
        shutil.rmtree(places.folder(each.id), ignore_errors=True)
    _tidy_uploads(table, places, keeping)
    return len(old)


_SENT = re.compile(r"uploads/([0-9a-f]{64}\.png)")


def _bytes(job: Job, places: Places) -> int:
    folder = places.folder(job.id)
    return sum(each.stat().st_size for each in folder.iterdir()) if folder.is_dir() else 0


def _tidy_uploads(table: JobTable, places: Places, keeping: Keeping) -> None:
    if not places.uploads.is_dir():
        return
    used = {name for text in table.requests_with("uploads/") for name in _SENT.findall(text)}
    for each in places.uploads.iterdir():
        if time.time() - each.stat().st_mtime > keeping.uploads and each.name not in used:
            each.unlink(missing_ok=True)
