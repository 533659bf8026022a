"""A Job: one accepted ask with its owner, its complete request, how far it is and what came of it."""

from enum import StrEnum

from gesso.request import Request
from gesso.request.parts import Part

__all__ = ["ENDED", "Entry", "Job", "Picture", "State"]


class State(StrEnum):
    """Where a job stands: from queued over running to one of the others."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"
    """It took its worker down as often as is allowed."""


ENDED = frozenset({State.DONE, State.FAILED, State.CANCELLED, State.QUARANTINED})


class Picture(Part):
    """One finished picture."""

    file: str
    """Its file's name in the job's own folder."""
    seed: int
    prompt: str
    """The words that were encoded, after choices, wildcards and styles."""
    size: tuple[int, int]
    """Width and height in pixels."""


class Entry(Part):
    """What is put into the queue."""

    owner: str
    """Whose it is: the name of a key."""
    model: str = ""
    """The checkpoint by its name in the library; empty for the built-in one."""
    request: Request
    """With nothing left open; files are named as in the library."""
    total: int = 0
    """Sampler steps of all pictures."""
    fingerprint: str | None = None
    """What asks have in common that are one and the same, sent again."""


class Job(Entry):
    """An entry that was accepted."""

    id: str
    state: State = State.QUEUED
    position: float
    """Its place in the queue; smaller comes first."""
    accepted: float
    """Unix time in seconds, as all times here."""
    started: float | None = None
    ended: float | None = None
    worker: str | None = None
    """Which process has it."""
    cancelling: bool = False
    """Whether it is to stop at its next step."""
    crashes: int = 0
    """How many workers were lost while they had it."""
    done: int = 0
    """Sampler steps that are done."""
    preview: int = 0
    """How many previews there have been; the last is kept."""
    pictures: tuple[Picture, ...] = ()
    skipped: int = 0
    """How many pictures were left out."""
    skipping: int | None = None
    """Which picture is to be left out, counted from 0 with those that were."""
    notes: tuple[str, ...] = ()
    """What had to be done otherwise than asked."""
    reason: str | None = None
    """Why it failed or was put into quarantine."""
    revision: int = 0
    """Rises with every change."""

    @property
    def begun(self) -> int:
        """How many pictures are behind it; the next has as many seeds before its own."""
        return len(self.pictures) + self.skipped

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED
