import pytest

from gesso.request import Request
from gesso.workers.job import ENDED, Job, State


@pytest.mark.parametrize("state", State)
def test_a_job_is_over_unless_it_waits_or_runs(state: State) -> None:
    job = Job(id="a", owner="ann", request=Request(), position=1.0, accepted=1.0, state=state)
    assert job.over == (state not in {State.QUEUED, State.RUNNING}) == (state in ENDED)


def test_a_job_survives_json() -> None:
    job = Job(id="a", owner="ann", request=Request(prompt="ü", size=(64, 64)), position=1.0, accepted=1.0)
    assert Job.model_validate_json(job.model_dump_json()) == job
