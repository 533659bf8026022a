"""The job table's laws: whatever happens, nothing is lost and nobody writes over another."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from benchmarks import postgres
from benchmarks.serving import free_port
from gesso.workers.job import ENDED, Job, Picture, State
from gesso.workers.schema import METADATA, opened
from gesso.workers.table import Ending, JobTable, Listing, Turn
from tests.workers.fakes import Clock, entry, table_in

PICTURE = Picture(file="0.png", seed=5, prompt="", size=(8, 8))
WORKERS = st.sampled_from(["w1", "w2", "w3"])


class Queue(RuleBasedStateMachine):
    """Workers that come, paint, die and are taken for dead, beside what is known of the jobs."""

    jobs = Bundle("jobs")
    address = "sqlite://"

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.table = JobTable(opened(self.address), lease=10.0, clock=self.clock)
        self.known: dict[str, Job] = {}
        self.held: dict[str, set[str]] = {"w1": set(), "w2": set(), "w3": set()}
        self.pictures: dict[str, int] = {}

    @rule(target=jobs, owner=st.sampled_from("ab"), model=st.sampled_from("xy"))
    def submit(self, owner: str, model: str) -> str:
        job = self.table.submit(entry(owner, model, count=2))
        self.known[job.id] = job
        self.pictures[job.id] = 0
        return job.id

    @rule(worker=WORKERS)
    def claim(self, worker: str) -> None:
        waiting = {job.id for job in self.table.listed(Listing(states=[State.QUEUED]))}
        job = self.table.claim(Turn(worker))
        assert (job is None) == (not waiting)
        if job is not None:
            assert job.id in waiting
            assert job.state is State.RUNNING
            assert job.worker == worker
            self.held[worker].add(job.id)

    @rule(worker=WORKERS, job=jobs)
    def paint(self, worker: str, job: str) -> None:
        mine = self.mine(worker, job)
        assert self.table.painted(job, worker, PICTURE) == mine
        self.pictures[job] += mine

    @rule(worker=WORKERS, job=jobs, state=st.sampled_from([State.DONE, State.FAILED]))
    def finish(self, worker: str, job: str, state: State) -> None:
        mine = self.mine(worker, job)
        assert self.table.finish(job, worker, Ending(state, "said")) == mine

    @rule(job=jobs)
    def cancel(self, job: str) -> None:
        others = self.states() | {job: None}
        before = self.table.get(job)
        assert before is not None
        assert self.table.cancel(job) == (not before.over)
        after = self.table.get(job)
        assert after is not None
        assert after.cancelling or after.over
        assert self.states() | {job: None} == others

    @rule(worker=WORKERS)
    def lose(self, worker: str) -> None:
        self.table.lost(worker)
        self.held[worker].clear()
        assert not any(job.worker == worker for job in self.running())

    @rule(worker=WORKERS)
    def leave(self, worker: str) -> None:
        crashes = {job.id: job.crashes for job in self.running()}
        self.table.release(worker)
        self.held[worker].clear()
        for job in self.table.some(crashes):
            assert job.crashes == crashes[job.id]

    @rule()
    def time_passes(self) -> None:
        self.clock.now += 11.0
        self.table.expire()
        assert self.running() == []
        for held in self.held.values():
            held.clear()

    @rule(job=jobs)
    def retry(self, job: str) -> None:
        before = self.table.get(job)
        assert before is not None
        again = before.over and before.state is not State.DONE
        assert self.table.retry(job) == again

    @rule(job=jobs, before=jobs)
    def move(self, job: str, before: str) -> None:
        states = self.states()
        waits = states[job] == states[before] == State.QUEUED and job != before
        assert self.table.move(job, before) == waits

    @invariant()
    def nothing_is_lost(self) -> None:
        jobs = {job.id: job for job in self.table.listed(Listing(limit=1000))}
        assert jobs.keys() == self.known.keys()
        for job in jobs.values():
            assert len(job.pictures) == self.pictures[job.id]
            assert (job.ended is not None) == job.over
            assert (job.state is State.QUARANTINED) <= (job.crashes >= self.table.crash_limit)
            assert (job.state is State.RUNNING) == (job.worker is not None and not job.over)

    def mine(self, worker: str, job: str) -> bool:
        found = self.table.get(job)
        assert found is not None
        mine = found.state is State.RUNNING and found.worker == worker
        assert mine <= (job in self.held[worker])
        return mine

    def running(self) -> list[Job]:
        return self.table.listed(Listing(states=[State.RUNNING]))

    def states(self) -> dict[str, object]:
        return {job.id: job.state for job in self.table.listed(Listing(limit=1000))}

    def teardown(self) -> None:
        METADATA.drop_all(self.table.engine)
        self.table.engine.dispose()


TestQueue = Queue.TestCase
TestQueue.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The address of an empty PostgreSQL."""
    pytest.importorskip("psycopg")
    if not postgres.found():
        pytest.skip("no PostgreSQL server on this machine")
    with postgres.serving(free_port(), durable=False) as address:
        yield address


def test_the_same_laws_hold_in_postgresql(postgresql: str) -> None:
    class Shared(Queue):
        """The same over the network."""

        address = postgresql

    few = settings(max_examples=4, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(Shared, settings=few)


def test_what_is_found_is_found_in_postgresql(postgresql: str) -> None:
    table = JobTable(opened(postgresql), clock=Clock())
    try:
        hat, cat = (
            table.submit(entry(owner, prompt=prompt).model_copy(update={"fingerprint": "f"}))
            for owner, prompt in (("ann", "a 10% Hat"), ("bob", "a cat"))
        )
        assert table.listed(Listing(words="% hat")) == [hat]
        assert len(table.requests_with("10% H")) == 1
        assert table.same("bob", "f", 0.0) == cat
        assert table.move(cat.id, hat.id)
        assert table.counts()[State.QUEUED] == 2
        assert table.ahead(hat) == 1
    finally:
        METADATA.drop_all(table.engine)
        table.engine.dispose()


def test_many_workers_share_one_postgresql(postgresql: str) -> None:
    """Each job is taken once, each picture is kept, and what is cancelled stays so."""
    table = JobTable(opened(postgresql))
    ids = [table.submit(entry(owner)).id for owner in "abcd" * 5]
    taken: list[str] = []

    def work(name: str) -> None:
        own = JobTable(opened(postgresql))
        while (job := own.claim(Turn(name))) is not None:
            taken.append(job.id)
            own.stepped(job.id, name, 1, 0)
            assert own.painted(job.id, name, PICTURE)
            own.finish(job.id, name, Ending(State.DONE if own.wanted(job.id, name) else State.CANCELLED))
        own.engine.dispose()

    workers = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for each in workers:
        each.start()
    cancelled = [job for job in ids[::3] if table.cancel(job)]
    for each in workers:
        each.join()
    jobs = table.some(ids)
    METADATA.drop_all(table.engine)
    table.engine.dispose()
    assert len(taken) == len(set(taken))
    assert {job.id: len(job.pictures) for job in jobs} == {job: int(job in taken) for job in ids}
    for job in jobs:
        assert job.state is State.DONE or job.id in cancelled
        assert job.state is State.CANCELLED or job.id in taken


def test_cancelling_never_touches_another_job() -> None:
    """A thousand interleavings of two workers, who look, act and report, and one who cancels."""
    table = JobTable(opened("sqlite://"))
    draw = random.Random(1)
    ended = set[tuple[State, int]]()
    for _ in range(1000):
        mine, other = (table.submit(entry(owner)).id for owner in ("ann", "bob"))
        hands = [Hand(table, "w1"), Hand(table, "w2")]
        for move in draw.sample([0] * 4 + [1] * 4 + [2], 9):
            if move < 2:
                hands[move].move()
            else:
                table.cancel(mine)
        while True:
            jobs = {job.id: job for job in table.some([mine, other])}
            if all(job.over for job in jobs.values()):
                break
            for hand in hands:
                hand.move()
        assert (jobs[other].state, jobs[other].cancelling) == (State.DONE, False)
        assert jobs[other].revision == len(("claimed", "painted", "finished"))
        ended.add((jobs[mine].state, len(jobs[mine].pictures)))
        table.forget([mine, other])
    assert ended == {(State.CANCELLED, 0), (State.CANCELLED, 1), (State.DONE, 1)}


class Hand:
    """A worker, move by move: it takes a job, paints, looks whether to go on, and reports."""

    def __init__(self, table: JobTable, name: str) -> None:
        self.table, self.name = table, name
        self.moves: Iterator[str] = iter(())

    def move(self) -> None:
        if next(self.moves, "over") == "over":
            self.moves = self.job()

    def job(self) -> Iterator[str]:
        job = self.table.claim(Turn(self.name))
        if job is None:
            return
        yield "claimed"
        assert self.table.painted(job.id, self.name, PICTURE)
        yield "painted"
        wanted = self.table.wanted(job.id, self.name)
        yield "looked"
        self.table.finish(job.id, self.name, Ending(State.DONE if wanted else State.CANCELLED))


def test_jobs_are_still_there_for_whoever_opens_the_table_next(tmp_path: Path) -> None:
    job = table_in(tmp_path).submit(entry(prompt="a hat"))
    assert table_in(tmp_path).get(job.id) == job
    assert table_in(tmp_path).get("unknown") is None


def test_jobs_are_found_by_owner_words_and_time(tmp_path: Path) -> None:
    table = JobTable(table_in(tmp_path).engine, clock=Clock())
    hat, cat, other = (
        table.submit(entry(owner, prompt=prompt))
        for owner, prompt in (("ann", "a 10% Hat"), ("ann", "a cat"), ("bob", "a hat"))
    )
    assert table.listed(Listing()) == [other, cat, hat]
    assert table.listed(Listing(owner="ann", words="% hat")) == [hat]
    assert table.listed(Listing(before=cat.accepted)) == [hat]
    assert table.listed(Listing(limit=1)) == [other]
    assert table.ahead(other) == 2
    assert table.counts("ann")[State.QUEUED] == 2
    assert len(table.requests_with("10% H")) == 1


def test_the_same_ask_is_known_again(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    job = table.submit(entry().model_copy(update={"fingerprint": "f"}))
    assert table.same("ann", "f", 0.0) == job
    assert table.same("bob", "f", 0.0) is None
    assert table.same("ann", "f", job.accepted + 1) is None


def test_the_queue_goes_in_the_order_it_is_put_into(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    first, second, third = (table.submit(entry()) for _ in range(3))
    assert table.move(third.id, first.id)
    assert table.move(first.id, None)
    assert not table.move(first.id, "unknown")
    order = [job.id for _ in range(3) if (job := table.claim(Turn("w"))) is not None]
    assert order == [third.id, second.id, first.id]


def test_what_takes_its_worker_down_twice_goes_into_quarantine(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    job = table.submit(entry())
    for state in (State.QUEUED, State.QUARANTINED):
        assert table.claim(Turn("w")) is not None
        table.lost("w")
        found = table.get(job.id)
        assert found is not None
        assert found.state is state
    assert "lost 2 times" in (found.reason or "")
    assert table.claim(Turn("w")) is None


def test_progress_counts_only_from_who_has_the_job(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    job = table.submit(entry())
    assert table.claim(Turn("w")) is not None
    assert table.wanted(job.id, "w")
    assert not table.wanted(job.id, "v")
    table.stepped(job.id, "v", 9, 9)
    table.stepped(job.id, "w", 1, 2)
    found = table.get(job.id)
    assert found is not None
    assert (found.done, found.preview) == (1, 2)
    assert table.revisions([job.id]) == {job.id: (found.revision, State.RUNNING)}
    assert table.cancel(job.id)
    assert not table.wanted(job.id, "w")


def test_a_renewed_lease_lasts_longer(tmp_path: Path) -> None:
    clock = Clock()
    table = JobTable(table_in(tmp_path).engine, lease=10.0, clock=clock)
    table.submit(entry())
    assert table.claim(Turn("w")) is not None
    clock.now += 6
    table.renew("w")
    clock.now += 6
    table.expire()
    assert table.counts()[State.RUNNING] == 1


def test_only_what_is_over_is_forgotten(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    over, waiting = table.submit(entry()), table.submit(entry())
    assert table.cancel(over.id)
    assert [job.id for job in table.ended_before(table.clock())] == [over.id]
    table.forget([over.id, waiting.id])
    assert [job.id for job in table.listed(Listing())] == [waiting.id]
    assert set(ENDED) == set(State) - {State.QUEUED, State.RUNNING}
