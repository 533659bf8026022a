"""gesso's own door: jobs, with the Request type as their body."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi import Request as HttpRequest
from fastapi.responses import FileResponse, Response, StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import BaseModel, ConfigDict, Field

from gesso.request import Request
from gesso.server.access import Manager, Painter
from gesso.server.refusals import Refused
from gesso.server.services import Mark, Services, services
from gesso.server.views import JobView, view
from gesso.workers.intake import Ask
from gesso.workers.job import Job, State
from gesso.workers.table import Listing

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["gesso"])


class Following(StreamingResponse):
    """Server-sent events.

    FastAPI's own response takes three tasks for every event of every client.
    """

    media_type = "text/event-stream"


class NewJob(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model: str = Field(default="", max_length=512)
    """The checkpoint's name, title or alias; the server's own choice unless given."""
    request: Request
    """Files are named as in the library, or as uploading named them."""


class Planned(BaseModel):
    """What a request comes to, with nothing left open."""

    model: str
    request: Request
    steps: int
    evaluations: int
    """Rows of latents that the networks denoise."""


class Move(BaseModel):
    """Where in the queue."""

    before: str | None = Field(default=None, max_length=64)


class Which(BaseModel):
    """Which jobs."""

    state: list[State] = []
    words: str = Field(default="", max_length=200)
    before: float | None = Field(default=None, ge=0, le=1e12)
    limit: int = Field(default=50, ge=1, le=200)


async def _visible(job: str, http: HttpRequest, caller: Painter) -> Job:
    return await services(http).job(caller, job)


Seen = Annotated[Job, Depends(_visible)]
"""The job in the path, which the caller may see."""


@router.post("/jobs", status_code=202)
async def ask(new: NewJob, http: HttpRequest, caller: Painter) -> JobView:
    """Queue a request. The same `Idempotency-Key` gives the same job."""
    of = services(http)
    entry = await asyncio.to_thread(_meant, of, new.model)
    mark = Mark.of(http, new.model_dump(mode="json"))
    job = await of.accept(caller, new.request, entry, mark)
    return await _seen(of, job)


@router.post("/plan")
async def plan(new: NewJob, http: HttpRequest, caller: Painter) -> Planned:
    """Say what a request would come to; nothing is queued."""
    of = services(http)
    entry = await asyncio.to_thread(_meant, of, new.model)
    whole = await asyncio.to_thread(of.intake.plan, Ask(caller.name, new.request, entry))
    request = of.settings.places.outward(whole.request)
    return Planned(model=entry, request=request, steps=whole.steps, evaluations=whole.evaluations)


@router.get("/jobs")
async def jobs(http: HttpRequest, caller: Painter, which: Annotated[Which, Query()]) -> list[JobView]:
    """Jobs, the newest first: one's own, or with the scope manage everybody's."""
    of = services(http)
    owner = None if caller.may("manage") else caller.name
    listing = Listing(owner, which.state or tuple(State), which.words, which.before, which.limit)
    found = await asyncio.to_thread(of.table.listed, listing)
    order = sorted((each for each in found if each.state is State.QUEUED), key=lambda each: each.position)
    places = {each.id: place for place, each in enumerate(order)}
    return [view(each, of, places.get(each.id, 0)) for each in found]


@router.get("/jobs/{job}")
async def one(found: Seen, http: HttpRequest) -> JobView:
    """One job."""
    return await _seen(services(http), found)


@router.delete("/jobs/{job}")
async def cancel(found: Seen, http: HttpRequest) -> JobView:
    """Stop that job and no other: at once if it waits, else at its next step."""
    of = services(http)
    await asyncio.to_thread(of.table.cancel, found.id)
    return await _again(of, found)


@router.post("/jobs/{job}/skip")
async def skip(found: Seen, http: HttpRequest) -> JobView:
    """Leave out the picture that the job paints now; it goes on with the next."""
    of = services(http)
    if not await asyncio.to_thread(of.table.skip, found.id):
        raise Refused(409, "a job must run, however: it does not", "wrong_state")
    return await _again(of, found)


@router.post("/jobs/{job}/retry")
async def retry(found: Seen, http: HttpRequest) -> JobView:
    """Queue a job again that failed, was cancelled or put into quarantine."""
    of = services(http)
    if not await asyncio.to_thread(of.table.retry, found.id):
        raise Refused(409, "a job must have ended without its pictures, however: it has not", "wrong_state")
    return await _again(of, found)


@router.post("/jobs/{job}/move")
async def move(found: Seen, to: Move, http: HttpRequest, caller: Manager) -> JobView:
    """Put a queued job before another one, or at the end."""
    del caller
    of = services(http)
    if not await asyncio.to_thread(of.table.move, found.id, to.before):
        raise Refused(409, "both jobs must wait, however: one does not", "wrong_state")
    return await _again(of, found)


@router.get("/jobs/{job}/events", response_class=Following)
async def events(found: Seen, http: HttpRequest) -> Response:
    """The job as it is, and again when it changed, until it is over."""
    of = services(http)

    def told(job: Job) -> bytes:
        packed = view(job, of).model_dump_json()
        return format_sse_event(event="job", data_str=packed, id=str(job.revision))

    async def following() -> AsyncGenerator[bytes]:
        async for each in of.hub.follow(found):
            yield of.tellings.of(each, told)

    # proxies are to pass events on at once
    return Following(following(), headers={"cache-control": "no-cache", "x-accel-buffering": "no"})


@router.get("/jobs/{job}/preview", response_class=FileResponse)
async def preview(found: Seen, http: HttpRequest) -> Response:
    """How the job's unfinished picture stands, as a small JPEG; 204 where there is none now."""
    places = services(http).settings.places
    try:
        packed = await asyncio.to_thread(places.preview(found.id).read_bytes)
    except FileNotFoundError:
        return Response(status_code=204)
    return Response(packed, media_type="image/jpeg", headers={"cache-control": "no-store"})


async def _again(of: Services, job: Job) -> JobView:
    """The job as it is now."""
    now = await asyncio.to_thread(of.table.get, job.id)
    return await _seen(of, now or job)


async def _seen(of: Services, job: Job) -> JobView:
    ahead = await asyncio.to_thread(of.table.ahead, job) if job.state is State.QUEUED else 0
    return view(job, of, ahead)


def _meant(of: Services, name: str) -> str:
    return (of.catalogue.entry(name) if name else of.catalogue.default()).name
