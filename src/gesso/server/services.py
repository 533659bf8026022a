"""The services behind every door: one queue, one catalogue, one set of keys."""

import asyncio
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from fastapi import Request as HttpRequest
from sqlalchemy import delete, insert, select

from gesso.request import Request
from gesso.server.catalogue import Catalogue
from gesso.server.hub import Hub
from gesso.server.keys import Caller, Keyring
from gesso.server.links import Links, kept_secret
from gesso.server.refusals import Refused
from gesso.server.sent import Sent
from gesso.server.settings import Settings
from gesso.server.tellings import Tellings
from gesso.workers.intake import Ask, Intake
from gesso.workers.job import Job
from gesso.workers.schema import PREFERENCES, Writing
from gesso.workers.table import JobTable

__all__ = ["Mark", "Services", "services"]


AGAIN = 900.0
"""Seconds within which an ask that is sent again is the same job."""


@dataclass(frozen=True)
class Mark:
    """How an ask is known again.

    Args:
        fingerprint: what it has in common with itself, sent again; at most 64 characters.
        again: whether it may have been sent before.
    """

    fingerprint: str
    again: bool

    @staticmethod
    def of(http: HttpRequest, body: object) -> "Mark":
        """By the key that the client gave it, or by all it says.

        Source: openai-python, `_base_client.py`: X-Stainless-Retry-Count counts the times it was sent before.
        """
        key = http.headers.get("idempotency-key")
        said = key or json.dumps(body, sort_keys=True, default=repr)
        digest = hashlib.sha256(f"{http.url.path}\n{said}".encode("utf-8", "replace")).hexdigest()
        again = http.headers.get("x-stainless-retry-count", "0") not in {"", "0"}
        return Mark(digest, again or key is not None)


@dataclass(frozen=True)
class Services:
    """What every door uses."""

    settings: Settings
    table: JobTable
    intake: Intake
    catalogue: Catalogue
    keyring: Keyring
    hub: Hub
    sent: Sent
    links: Links
    tellings: Tellings

    @staticmethod
    def of(settings: Settings) -> "Services":
        """The services of a server."""
        table, limits = JobTable.at(settings.address), settings.limits
        return Services(
            settings,
            table,
            Intake(table, settings.places, limits.waiting, limits.share),
            Catalogue(settings),
            Keyring(table.engine),
            Hub(table),
            Sent(settings.places, limits.pixels),
            Links(kept_secret(settings.places.data), limits.link),
            Tellings(),
        )

    async def accept(self, caller: Caller, request: Request, model: str, mark: Mark | None = None) -> Job:
        """Queue an ask, unless it is one that was sent again.

        Raises:
            GessoError: the request cannot be carried out.
        """
        if mark is not None and mark.again:
            since = self.table.clock() - AGAIN
            found = await asyncio.to_thread(self.table.same, caller.name, mark.fingerprint, since)
            if found is not None:
                return found
        ask = Ask(caller.name, request, model, mark and mark.fingerprint)
        return await asyncio.to_thread(self.intake.accept, ask)

    async def job(self, caller: Caller, job: str) -> Job:
        """A job that the caller may see.

        Raises:
            Refused: there is none; somebody else's is none to him.
        """
        found = await asyncio.to_thread(self.table.get, job)
        if found is None or not (found.owner == caller.name or caller.may("manage")):
            raise Refused(404, f"a job must be known, however: {job[:64]!r}", "unknown_job")
        return found

    async def painted(self, job: Job) -> Job:
        """The job when all its pictures are painted.

        Raises:
            Refused: it ended otherwise.
        """
        over = await self.hub.over(job)
        if over is None or over.state != "done":
            state, reason = ("forgotten", None) if over is None else (over.state, over.reason)
            status = 400 if state == "cancelled" else 500
            raise Refused(status, reason or f"a job must be done, however: it was {state}", f"job_{state}")
        return over

    def preference(self, owner: str, name: str) -> object:
        """What an owner set for himself; None if nothing."""
        return self.preferences(owner, name).get(name)

    def preferences(self, owner: str, begin: str) -> dict[str, object]:
        """All that an owner set for himself under names that begin so."""
        query = select(PREFERENCES.c.name, PREFERENCES.c.value).where(
            PREFERENCES.c.owner == owner, PREFERENCES.c.name.startswith(begin, autoescape=True)
        )
        with self.table.engine.connect() as connection:
            return {row.name: row.value for row in connection.execute(query)}

    def prefer(self, owner: str, name: str, value: object, *, instead_of: Iterable[str] = ()) -> None:
        """Set something for an owner alone; what stood under other names goes."""
        row = {"owner": owner, "name": name, "value": value}
        gone = PREFERENCES.c.name.in_([name, *instead_of])
        with self.table.engine.execution_options(writing=Writing.SURELY).begin() as connection:
            connection.execute(delete(PREFERENCES).where(PREFERENCES.c.owner == owner, gone))
            connection.execute(insert(PREFERENCES).values(row))


def services(http: HttpRequest) -> Services:
    """The services that a request's door belongs to."""
    return cast(Services, http.app.state.services)
