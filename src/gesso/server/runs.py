"""gesso's own door: training runs with their curves, as `gesso train` leaves them on the disk."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import BaseModel, ConfigDict

from gesso.server.access import Painter
from gesso.server.keys import Caller
from gesso.server.refusals import Refused
from gesso.server.services import services
from gesso.server.settings import Settings
from gesso.training.record import Record, smoothed

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["gesso"])

LOSSES = "losses.jsonl"


class Run(BaseModel):
    """A training run."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """Its folder, as seen from where runs are."""
    learns: str
    """The kind of subject, such as lora."""
    step: int
    """Steps that are done."""
    steps: int
    """Steps in all."""
    changed: float
    """When it last wrote something, Unix time in seconds."""


class RunView(Run):
    """A training run with its curves."""

    losses: list[tuple[float, float]]
    """Steps and losses; means of neighbours where there are many."""
    measured: dict[str, list[tuple[float, float]]]
    """Steps and losses on pictures that are not learnt: by band of noise, the least first."""


@router.get("/runs")
async def runs(http: HttpRequest, caller: Painter) -> list[Run]:
    """Training runs, the last to change first; none without the scope manage."""
    settings = services(http).settings

    def look() -> list[Run]:
        found = (_told(name, folder) for name, folder in _seen(settings, caller))
        return sorted((each for each in found if each is not None), key=lambda each: -each.changed)

    return await asyncio.to_thread(look)


@router.get("/runs/{name:path}")
async def run(name: str, http: HttpRequest, caller: Painter) -> RunView:
    """A training run with its curves."""
    settings = services(http).settings

    def look() -> RunView | None:
        # the name is looked for among those that are there, never made a path
        folder = dict(_seen(settings, caller)).get(name)
        told = None if folder is None else _told(name, folder)
        return None if folder is None or told is None else _drawn(told, folder)

    found = await asyncio.to_thread(look)
    if found is None:
        raise Refused(404, f"a run must be known, however: {name[:64]!r}", "unknown_run")
    return found


def _seen(settings: Settings, caller: Caller) -> Iterator[tuple[str, Path]]:
    """All folders of runs that a caller may see, by name."""
    if not caller.may("manage"):
        return
    for root in (settings.runs, settings.places.library):
        for depth in ("*", "*/*"):
            for each in sorted(root.glob(f"{depth}/{LOSSES}")):
                yield each.parent.relative_to(root).as_posix(), each.parent


def _told(name: str, folder: Path) -> Run | None:
    """What a run's folder says; None if it is none."""
    losses = Record(folder / LOSSES)
    try:
        recipe = cast(dict[str, Any], json.loads((folder / "recipe.json").read_text(encoding="utf-8")))
        last = losses.last() or {"step": 0}
        return Run(
            name=name,
            learns=recipe["subject"]["kind"],
            step=last["step"],
            steps=recipe["run"]["steps"],
            changed=losses.path.stat().st_mtime,
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _drawn(told: Run, folder: Path) -> RunView:
    measured = Record(folder / "validation.jsonl").rows()
    count = len(measured[0]["bands"]) if measured else 0
    bands = {str(i + 1): [(row["step"], row["bands"][i]) for row in measured] for i in range(count)}
    losses = smoothed([(row["step"], row["loss"]) for row in Record(folder / LOSSES).rows()])
    return RunView(**dict(told), losses=list(losses), measured=bands)
