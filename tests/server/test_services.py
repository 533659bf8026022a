import asyncio
from pathlib import Path

import pytest

from gesso.request import Request
from gesso.server.keys import LOCAL, Caller
from gesso.server.refusals import Refused
from gesso.server.services import Mark, Services
from gesso.workers.job import State
from gesso.workers.table import Ending, Turn
from tests.server.serving import settings_in

ANN, BOB = Caller("ann", frozenset({"paint"})), Caller("bob", frozenset({"paint"}))


@pytest.fixture
def of(tmp_path: Path) -> Services:
    return Services.of(settings_in(tmp_path))


def test_the_same_ask_sent_again_is_the_same_job(of: Services) -> None:
    async def ids() -> list[str]:
        asks = [(ANN, "f", False), (ANN, "f", True), (BOB, "f", True), (ANN, "g", True), (ANN, "f", False)]
        return [(await of.accept(who, Request(steps=2), "", Mark(*mark))).id for who, *mark in asks]

    found = asyncio.run(ids())
    assert found[0] == found[1]
    assert len(set(found)) == 4


def test_nobody_sees_the_jobs_of_others_without_the_scope(of: Services) -> None:
    job = asyncio.run(of.accept(ANN, Request(steps=2), ""))
    assert asyncio.run(of.job(ANN, job.id)) == asyncio.run(of.job(LOCAL, job.id)) == job
    for who, which in ((BOB, job.id), (ANN, "unknown")):
        with pytest.raises(Refused) as refusal:
            asyncio.run(of.job(who, which))
        assert refusal.value.status == 404


@pytest.mark.parametrize(("state", "status"), [(State.FAILED, 500), (State.CANCELLED, 400)])
def test_waiting_for_pictures_tells_why_there_are_none(of: Services, state: State, status: int) -> None:
    job = asyncio.run(of.accept(ANN, Request(steps=2), ""))
    of.table.claim(Turn("w"))
    of.table.finish(job.id, "w", Ending(state, "so it was"))
    with pytest.raises(Refused, match="so it was") as refusal:
        asyncio.run(of.painted(job))
    assert refusal.value.status == status


def test_preferences_are_everybodys_own(of: Services) -> None:
    of.prefer("ann", "a1111", {"model": "x"})
    of.prefer("ann", "a1111", {"model": "y"})
    assert of.preference("ann", "a1111") == {"model": "y"}
    assert of.preference("bob", "a1111") is None
