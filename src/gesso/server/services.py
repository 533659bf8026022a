"""The services behind every door: one queue, one catalogue, one set of keys."""

import asyncio
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
from gesso.workers.intake import Ask, Intake
from gesso.workers.job import Job
from gesso.workers.schema import PREFERENCES
from gesso.workers.table import JobTable

__all__ = ["Services", "services"]


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
        )

    async def accept(
        self, caller: Caller, request: Request, model: str, fingerprint: str | None = None
    ) -> Job:
        """Queue an ask, unless it is one that was sent again.

        Raises:
            Refused: a retried ask's job is no longer there.
            GessoError: the request cannot be carried out.
        """
        if fingerprint is not None:
            since = self.table.clock() - AGAIN
            found = await asyncio.to_thread(self.table.same, caller.name, fingerprint, since)
            if found is not None:
                return found
        return await asyncio.to_thread(self.intake.accept, Ask(caller.name, request, model, fingerprint))

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
        over = await self.hub.over(job.id)
        if over is None or over.state != "done":
            state, reason = ("forgotten", None) if over is None else (over.state, over.reason)
            status = 400 if state == "cancelled" else 500
            raise Refused(status, reason or f"a job must be done, however: it was {state}", f"job_{state}")
        return over

    def preference(self, owner: str, name: str) -> object:
        """What an owner set for himself; None if nothing."""
        query = select(PREFERENCES.c.value).where(PREFERENCES.c.owner == owner, PREFERENCES.c.name == name)
        with self.table.engine.connect() as connection:
            return connection.execute(query).scalar_one_or_none()

    def prefer(self, owner: str, name: str, value: object) -> None:
        """Set something for an owner alone."""
        row = {"owner": owner, "name": name, "value": value}
        old = delete(PREFERENCES).where(PREFERENCES.c.owner == owner, PREFERENCES.c.name == name)
        with self.table.engine.execution_options(writing=True).begin() as connection:
            connection.execute(old)
            connection.execute(insert(PREFERENCES).values(row))


AGAIN = 900.0
"""Seconds within which the same ask, marked as sent again, is the same job."""


def services(http: HttpRequest) -> Services:
    """The services that a request's door belongs to."""
    return cast(Services, http.app.state.services)
