"""The intake: an ask is planned, and refused with a reason, before it is accepted."""

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gesso.errors import QueueFull
from gesso.request import Request
from gesso.workers.job import Entry, Job, State
from gesso.workers.places import Places
from gesso.workers.table import JobTable

if TYPE_CHECKING:
    from gesso.generation.plan import Plan
    from gesso.model import Model

__all__ = ["Ask", "Intake"]

OUTLINES = 16
"""How many models' outlines, which have no weights, are kept to plan with."""


@dataclass(frozen=True)
class Ask:
    """What somebody asks for.

    Args:
        owner: who.
        request: files are named as in the library.
        model: the checkpoint's name in the library; empty for the built-in one.
        fingerprint: what asks have in common that are one and the same, sent again.
    """

    owner: str
    request: Request
    model: str = ""
    fingerprint: str | None = None


@dataclass
class Intake:
    """Plans asks and puts them into the queue.

    Args:
        limit: the most jobs that may wait.
        share: the most jobs of one owner that may wait.
    """

    table: JobTable
    places: Places
    limit: int = 10_000
    share: int = 1_000
    _outlines: "OrderedDict[tuple[Path, int, int], Model]" = field(
        default_factory=OrderedDict[tuple[Path, int, int], "Model"]
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, ask: Ask) -> Job:
        """Queue an ask.

        Raises:
            QueueFull: too many jobs wait.
            GessoError: the request contradicts itself, names what is not there, or does not suit the model.
        """
        self._must_have_room(ask.owner)
        whole = self.plan(ask)
        entry = Entry(
            owner=ask.owner,
            model=ask.model,
            request=self.places.outward(whole.request),
            total=whole.steps,
            fingerprint=ask.fingerprint,
        )
        return self.table.submit(entry)

    def plan(self, ask: Ask) -> "Plan":
        """What an ask comes to; nothing is queued.

        Raises:
            GessoError: the request contradicts itself, names what is not there, or does not suit the model.
        """
        from gesso.generation.fitting import check
        from gesso.generation.planning import make_plan

        path = self.places.model(ask.model)
        seed = secrets.randbelow(2**32) if ask.request.seed is None else ask.request.seed
        library = self.places.library
        named = self.places.inward(ask.request.model_copy(update={"library": None}))
        request = named.model_copy(update={"seed": seed, "library": library if library.is_dir() else None})
        check(request, path)
        return make_plan(self.outline(path), request)

    def outline(self, path: Path) -> "Model":
        """A model without weights, enough to plan with."""
        from gesso.model import load

        found = path.stat()
        key = (path, found.st_mtime_ns, found.st_size)
        with self._lock:
            if key not in self._outlines:
                self._outlines[key] = load(path, device="cpu", weights=False)
            self._outlines.move_to_end(key)
            while len(self._outlines) > OUTLINES:
                self._outlines.popitem(last=False)
            return self._outlines[key]

    def _must_have_room(self, owner: str) -> None:
        for whose, most in ((None, self.limit), (owner, self.share)):
            waiting = self.table.counts(whose)[State.QUEUED]
            if waiting >= most:
                raise QueueFull(
                    f"at most {most} jobs may wait, however: {waiting} do", hint="ask again later"
                )
