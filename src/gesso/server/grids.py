"""gesso's own door: grids, every combination of the values of some axes, each of them a job."""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from pydantic import BaseModel, ConfigDict, Field

from gesso.errors import GessoError
from gesso.request import Request
from gesso.request.parts import Part
from gesso.series.grid import Cell, Grid, grid
from gesso.server.access import Painter
from gesso.server.keys import Caller
from gesso.server.refusals import Refused
from gesso.server.services import Services, services
from gesso.server.views import JobView, view
from gesso.workers.intake import Ask

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["gesso"])

MOST = 256
"""Cells of one grid."""
KEPT = 100
"""Grids of one owner that are remembered; their jobs are kept like all others."""
PREFIX = "grid/"


class NewGrid(BaseModel):
    """What is asked for: an ask, and what of it varies."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model: str = Field(default="", max_length=512)
    """The checkpoint's name, title or alias; the server's own choice unless given."""
    request: Request
    """What all cells have in common."""
    x: str = Field(max_length=4096)
    """FIELD=VALUES, model=NAMES, prompt~WORD=WORDS or matrix, as for `gesso grid`."""
    y: str = Field(default="", max_length=4096)
    """The same downwards."""
    z: str = Field(default="", max_length=4096)
    """The same from sheet to sheet."""


class Kept(Part):
    """What is remembered of a grid; its cells stand in the job table."""

    id: str
    accepted: float
    title: str
    """The words that all cells have in common."""
    axes: tuple[tuple[str, ...], ...]
    """What the values of x, y and z are called."""
    jobs: tuple[str, ...]
    """The cells' jobs: along x first, then y, then z."""


class GridView(Kept):
    """A grid with its cells."""

    cells: tuple[JobView | None, ...]
    """None for those whose time is over."""


@router.post("/grids", status_code=202)
async def new_grid(new: NewGrid, http: HttpRequest, caller: Painter) -> Kept:
    """Queue all cells of a grid, or none if one of them cannot be painted."""
    of = services(http)
    return await asyncio.to_thread(_accepted, of, caller, new)


@router.get("/grids")
async def grids(http: HttpRequest, caller: Painter) -> list[Kept]:
    """One's own grids, the newest first."""
    return await asyncio.to_thread(_kept, services(http), caller)


@router.get("/grids/{name}")
async def one_grid(name: str, http: HttpRequest, caller: Painter) -> GridView:
    """A grid with its cells."""
    of = services(http)
    found = next((each for each in await asyncio.to_thread(_kept, of, caller) if each.id == name), None)
    if found is None:
        raise Refused(404, f"a grid must be known, however: {name[:64]!r}", "unknown_grid")
    jobs = {each.id: view(each, of) for each in await asyncio.to_thread(of.table.some, found.jobs)}
    return GridView(**dict(found), cells=tuple(jobs.get(each) for each in found.jobs))


def _accepted(of: Services, caller: Caller, new: NewGrid) -> Kept:
    whole = _planned(of, new)
    asks = [_ask(of, caller, each) for each in whole.cells]
    for each in asks:
        of.intake.plan(each)
    jobs = _queued(of, asks)
    old = _kept(of, caller)[KEPT - 1 :]
    kept = Kept(
        id=uuid.uuid4().hex,
        accepted=of.table.clock(),
        title=new.request.prompt,
        axes=tuple(each.labels for each in whole.axes),
        jobs=tuple(jobs),
    )
    gone = [PREFIX + each.id for each in old]
    of.prefer(caller.name, PREFIX + kept.id, kept.model_dump(mode="json"), instead_of=gone)
    return kept


def _planned(of: Services, new: NewGrid) -> Grid:
    model = of.catalogue.entry(new.model) if new.model else of.catalogue.default()
    whole = grid(Path(model.name) if model.name else None, new.request, new.x, new.y, new.z)
    if len(whole.cells) > MOST:
        raise Refused(422, f"a grid must have at most {MOST} cells, however: {len(whole.cells)}")
    return whole


def _ask(of: Services, caller: Caller, cell: Cell) -> Ask:
    model = "" if cell.model is None else of.catalogue.entry(cell.model.as_posix()).name
    return Ask(caller.name, cell.request, model)


def _queued(of: Services, asks: Sequence[Ask]) -> list[str]:
    """Queue all of them or none."""
    jobs: list[str] = []
    try:
        for each in asks:
            jobs.append(of.intake.accept(each).id)
    except GessoError:
        for job in jobs:
            of.table.cancel(job)
        raise
    return jobs


def _kept(of: Services, caller: Caller) -> list[Kept]:
    rows = of.preferences(caller.name, PREFIX).values()
    found = [Kept.model_validate(cast(dict[str, Any], each)) for each in rows]
    return sorted(found, key=lambda each: -each.accepted)
