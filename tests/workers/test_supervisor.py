import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy.exc import OperationalError

from gesso.workers.job import Job, State
from gesso.workers.painter import Machine
from gesso.workers.places import Places
from gesso.workers.supervisor import Crew, Supervisor, spawned
from gesso.workers.table import JobTable
from tests.workers.fakes import QUICK, entry, fake_main, table_in


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


def test_a_worker_that_dies_is_started_again_and_poison_put_away(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    crew = Crew(
        f"sqlite:///{tmp_path / 'jobs.db'}",
        Places(tmp_path, tmp_path),
        [Machine()],
        QUICK,
        partial(spawned, target=fake_main),
    )
    poison, good = (table.submit(entry(prompt=prompt)) for prompt in ("poison", "good"))

    def found(job: Job) -> Job:
        again = table.get(job.id)
        assert again is not None
        return again

    with Supervisor(crew, table, interval=0.02) as supervisor:
        until(lambda: found(good).over and found(poison).over)
        until(lambda: supervisor.alive == 1)
        assert supervisor.restarts == 2
    assert found(good).state is State.DONE
    assert found(poison).state is State.QUARANTINED
    assert supervisor.alive == 0


def test_a_database_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    asked: list[int] = []

    class Away(JobTable):
        def expire(self) -> None:
            asked.append(len(asked))
            raise OperationalError("", {}, ConnectionError("away"))

    table = Away(table_in(tmp_path).engine)
    with Supervisor(Crew("", Places(tmp_path, tmp_path), ()), table, interval=0.01):
        until(lambda: len(asked) > 1)
