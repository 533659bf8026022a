import asyncio
from pathlib import Path

from gesso.server.hub import Hub
from gesso.workers.job import Job, State
from gesso.workers.table import Ending, JobTable, Turn
from tests.workers.fakes import entry, table_in


async def followed(hub: Hub, job: Job) -> list[Job]:
    return [each async for each in hub.follow(job)]


async def carried_out(table: JobTable) -> None:
    job = table.claim(Turn("w"))
    assert job is not None
    for done in (1, 2):
        await asyncio.sleep(0.03)
        table.stepped(job.id, "w", done, 0)
    table.finish(job.id, "w", Ending(State.DONE))


def test_all_who_wait_see_the_end_and_nothing_goes_back(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    hub, job = Hub(table, interval=0.005), table.submit(entry())

    async def run() -> list[list[Job]]:
        *seen, _ = await asyncio.gather(*(followed(hub, job) for _ in range(3)), carried_out(table))
        return seen

    for seen in asyncio.run(run()):
        assert seen[-1].state is State.DONE
        revisions = [each.revision for each in seen]
        assert revisions == sorted(set(revisions))


def test_what_is_over_is_told_once_and_what_is_forgotten_ends(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    hub, job, other = Hub(table, interval=0.005), table.submit(entry()), table.submit(entry())
    table.cancel(job.id)

    async def forget() -> None:
        await asyncio.sleep(0.03)
        table.cancel(other.id)
        table.forget([other.id])

    async def run() -> None:
        assert [each.state for each in await followed(hub, job)] == [State.QUEUED, State.CANCELLED]
        await asyncio.wait_for(asyncio.gather(hub.over(other), forget()), 10)

    asyncio.run(run())


def test_steps_are_told_at_their_pace_and_the_end_at_once(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    hub, job = Hub(table, interval=0.001, pace=3600.0), table.submit(entry())

    async def run() -> list[Job]:
        seen, _ = await asyncio.wait_for(asyncio.gather(followed(hub, job), carried_out(table)), 60)
        return seen

    seen = asyncio.run(run())
    assert seen[-1].state is State.DONE
    assert len(seen) <= 3


def test_whoever_comes_late_learns_what_the_others_know(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    hub, job = Hub(table, interval=0.005), table.submit(entry())

    async def run() -> tuple[list[Job], list[Job]]:
        early = asyncio.create_task(followed(hub, job))
        assert table.claim(Turn("w")) is not None
        await asyncio.sleep(0.05)
        late = asyncio.create_task(followed(hub, job))
        await asyncio.sleep(0.05)
        table.finish(job.id, "w", Ending(State.DONE))
        return await early, await late

    for seen in asyncio.run(run()):
        assert [each.state for each in seen] == [State.QUEUED, State.RUNNING, State.DONE]


def test_silence_is_broken(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    hub, job = Hub(table, interval=0.005, silence=0.01), table.submit(entry())

    async def run() -> list[Job]:
        following = hub.follow(job)
        seen = [await anext(following) for _ in range(4)]
        await following.aclose()
        return seen

    assert {each.id for each in asyncio.run(run())} == {job.id}
