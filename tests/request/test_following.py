from pathlib import Path

import pytest
from pydantic import ValidationError

from gesso.request import FollowUp, Mask, Request, Source


def test_what_follows_may_be_written_in_one_table() -> None:
    flat = FollowUp.model_validate({"by": 2, "steps": 9, "strength": 0.3})
    assert flat == FollowUp(source=Source(by=2, strength=0.3), steps=9)
    mixed = FollowUp.model_validate({"source": {"by": 2}, "upscaler": "latent"})
    assert mixed == FollowUp(source=Source(by=2, strength=0.5, upscaler="latent"))
    assert FollowUp.model_validate({"source": Source(by=2)}).source == Source(by=2)
    assert FollowUp().source.strength == 0.5


@pytest.mark.parametrize("wrong", [{"stepps": 3}, {"image": "x.png"}, {"source": Source(), "by": 2}, 3])
def test_what_it_does_not_know_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        FollowUp.model_validate(wrong)


def test_what_follows_survives_writing() -> None:
    request = Request(then=(FollowUp(model=Path("a/b"), source=Source(mask=Mask(box=(1, 2, 3, 4)))),))
    assert Request.model_validate_json(request.model_dump_json()) == request


def test_everything_but_its_own_is_a_field_of_a_request() -> None:
    own = FollowUp.model_fields.keys() - Request.model_fields.keys()
    assert own == {"model", "model_sha256"}
