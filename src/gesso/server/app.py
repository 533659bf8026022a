"""The application: all doors over one queue, with the workers behind it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from fastapi import FastAPI
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from gesso.errors import GessoError, RequestError
from gesso.server import a1111_door, a1111_lists, grids, openai_door, own, runs, shop
from gesso.server.access import Admin
from gesso.server.dialects import answer
from gesso.server.envelope import Envelope
from gesso.server.metrics import exposed
from gesso.server.refusals import Refused, refused
from gesso.server.services import Services
from gesso.server.settings import Settings, loopback
from gesso.workers.cluster import Cluster
from gesso.workers.keeping import tidied
from gesso.workers.supervisor import Crew, Supervisor

__all__ = ["application"]

PAGE = Path(__file__).with_name("page")
"""The page's files: standard modules, served as they are."""
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
"""Methods that the page's files do not know: below them, what is not there is not found."""
TIDYING = 600.0
"""Seconds between two times that what is too old goes."""


def application(settings: Settings, *, crew: bool = True) -> ASGIApp:
    """The server's application.

    Args:
        crew: whether it looks after workers of its own; else jobs wait for those of others.

    Raises:
        RequestError: it would be open to other machines without a key, or there is no such cluster.
    """
    of = Services.of(settings)
    if not loopback(settings.host) and not of.keyring:
        raise RequestError(
            f"a server that others reach must have keys, however: {settings.host} is open and there are none",
            hint="make one: gesso keys add NAME",
        )
    supervisor = Supervisor(_crew(settings), of.table) if crew else None

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        # it loads its backend when it is first used: not while many wait
        await anyio.sleep(0)
        async with AsyncExitStack() as stack:
            if supervisor is not None:
                await asyncio.to_thread(supervisor.__enter__)
                stack.push_async_callback(asyncio.to_thread, supervisor.__exit__)
            tidying = asyncio.create_task(_tidy(of))
            stack.callback(tidying.cancel)
            yield

    app = FastAPI(
        title="gesso", lifespan=lifespan, max_body_size=settings.limits.body, docs_url=None, redoc_url=None
    )
    app.state.services = of
    own_doors = (own.router, grids.router, runs.router, shop.router, shop.pictures)
    for each in (*own_doors, a1111_door.router, a1111_lists.router):
        app.include_router(each)
    app.include_router(openai_door.router, prefix="/v1")
    app.include_router(openai_door.router, include_in_schema=False)
    _watch_over(app, of, supervisor)
    app.add_api_route("/{path:path}", _unknown, methods=[*CHANGING], include_in_schema=False)
    app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    _refuse(app, of)
    return _reached(app, of)


def _crew(settings: Settings) -> Crew:
    if settings.ray is None:
        return Crew(settings.address, settings.places, settings.machines)
    if settings.address.startswith("sqlite"):
        raise RequestError(
            "machines of a cluster must share a database, however: SQLite is one machine's",
            hint="--database postgresql+psycopg://HOST/gesso",
        )
    hire = Cluster.at(settings.ray).hire
    return Crew(settings.address, settings.places, settings.machines, hire=hire)


def _unknown(path: str) -> None:
    raise Refused(404, f"a path must be known, however: /{path[:100]}", "not_found")


def _reached(app: ASGIApp, of: Services) -> ASGIApp:
    """The application as pages of other sites may reach it, if any."""
    origins = of.settings.origins
    whole = CORSMiddleware(app, origins, allow_methods=["*"], allow_headers=["*"]) if origins else app
    return Envelope(whole, of)


def _watch_over(app: FastAPI, of: Services, crew: Supervisor | None) -> None:
    @app.get("/api/health", tags=["gesso"])
    async def health() -> Mapping[str, Any]:
        """Whether jobs are worked on."""
        workers = None if crew is None else crew.alive
        return {"status": "ok" if workers != 0 else "no workers", "workers": workers}

    @app.get("/metrics", tags=["gesso"])
    def metrics(caller: Admin) -> Response:
        """Numbers for Prometheus."""
        del caller
        return Response(exposed(of, crew), media_type="text/plain; version=0.0.4")


def _refuse(app: FastAPI, of: Services) -> None:
    """Every error in the form of its door."""
    places = of.settings.places

    async def told(http: HttpRequest, refusal: Refused) -> Response:
        refusal.message = places.discreet(refusal.message)
        return answer(http.url.path, refusal)

    @app.exception_handler(Refused)
    async def ours(http: HttpRequest, error: Refused) -> Response:
        return await told(http, error)

    @app.exception_handler(GessoError)
    async def gessos(http: HttpRequest, error: GessoError) -> Response:
        return await told(http, refused(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(http: HttpRequest, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return await told(http, Refused(422, f"{place}: {first['msg']}", "invalid_value", place or None))

    @app.exception_handler(ValidationError)
    async def contradictory(http: HttpRequest, error: ValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        return await told(http, Refused(422, f"{place}: {first['msg']}", "invalid_value", place or None))

    @app.exception_handler(HTTPException)
    async def usual(http: HttpRequest, error: HTTPException) -> Response:
        return await told(http, Refused(error.status_code, str(error.detail), "http"))

    @app.exception_handler(Exception)
    async def unforeseen(http: HttpRequest, error: Exception) -> Response:
        del error  # it is logged, and may say what is nobody's business
        return await told(http, Refused(500, "an answer must be there, however: the server failed", "error"))

    del ours, gessos, malformed, contradictory, usual, unforeseen


async def _tidy(of: Services) -> None:
    while True:
        await asyncio.to_thread(tidied, of.table, of.settings.places, of.settings.keeping)
        await asyncio.sleep(TIDYING)
