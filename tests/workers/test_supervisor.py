import time
from collections.abc import Callable
from pathlib import Path

from gesso.workers.job import Job, State
from gesso.workers.painter import Machine
from gesso.workers.places import Places
from gesso.workers.supervisor import Crew, Supervisor
from tests.workers.fakes import QUICK, entry, fake_main, table_in


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


def test_a_worker_that_dies_is_started_again_and_poison_put_away(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    crew = Crew(
        f"sqlite:///{tmp_path / 'jobs.db'}", Places(tmp_path, tmp_path), [Machine()], QUICK, fake_main
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
