from pathlib import Path

import pytest

from gesso.errors import QueueFull, RequestError
from gesso.request import Request
from gesso.workers.intake import Ask, Intake
from gesso.workers.places import Places
from gesso.workers.table import Listing
from tests.workers.fakes import table_in


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    return Intake(table_in(tmp_path), Places(tmp_path / "library", tmp_path), limit=2, share=1)


def test_what_is_accepted_has_nothing_left_open(intake: Intake) -> None:
    job = intake.accept(Ask("ann", Request(prompt="a hat", count=2, steps=4)))
    assert job.total == 8
    assert None not in (job.request.seed, job.request.size, job.request.sampler, job.request.cfg)
    assert intake.table.get(job.id) == job


@pytest.mark.parametrize(
    ("request_", "model"),
    [(Request(sampler="eulr"), ""), (Request(), "none.safetensors"), (Request(size=(1001, 64)), "")],
)
def test_what_cannot_be_painted_is_refused_and_not_queued(
    intake: Intake, request_: Request, model: str
) -> None:
    with pytest.raises(RequestError):
        intake.accept(Ask("ann", request_, model))
    assert intake.table.listed(Listing()) == []


def test_nobody_takes_the_whole_queue(intake: Intake) -> None:
    intake.accept(Ask("ann", Request()))
    with pytest.raises(QueueFull, match="at most 1"):
        intake.accept(Ask("ann", Request()))
    intake.accept(Ask("bob", Request()))
    with pytest.raises(QueueFull, match="at most 2"):
        intake.accept(Ask("cem", Request()))
