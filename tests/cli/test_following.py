from pathlib import Path

import pytest
from pydantic import ValidationError

from gesso.cli.following import Following
from gesso.errors import RequestError
from gesso.request import FollowUp, Mask, Source


def asked(**told: object) -> tuple[FollowUp, ...]:
    return Following.model_validate(told).follow_ups()


def test_nothing_follows_unless_asked_for() -> None:
    assert asked() == ()


@pytest.mark.parametrize(
    ("said", "follow"),
    [
        ("2x", FollowUp(source=Source(by=2, strength=0.5))),
        ("1.5", FollowUp(source=Source(by=1.5, strength=0.5))),
        ("96x128", FollowUp(size=(96, 128))),
    ],
)
def test_larger_is_said_as_a_factor_or_a_size(said: str, follow: FollowUp) -> None:
    assert asked(hires=said) == (follow,)


def test_what_is_said_of_the_larger_picture_is_its_own() -> None:
    told = {"strength": 0.3, "upscaler": "latent", "steps": 9, "prompt": "", "cfg": 0.0, "model": "m.pt"}
    (found,) = asked(hires="2x", **{f"hires_{name}": value for name, value in told.items()})
    assert found.source == Source(by=2, strength=0.3, upscaler="latent")
    assert (found.steps, found.prompt, found.cfg, found.model) == (9, "", 0.0, Path("m.pt"))


def test_how_without_what_is_refused() -> None:
    with pytest.raises(RequestError, match="--hires-steps must come with --hires"):
        asked(hires_steps=3)
    with pytest.raises(ValidationError):
        asked(hires="large")


def test_a_picture_goes_round_with_a_strength_that_moves() -> None:
    found = asked(loopback=3, loopback_strength=(0.6, 0.3))
    assert [each.source.strength for each in found] == [0.6, 0.45, 0.3]
    assert [each.source.strength for each in asked(loopback=1)] == [0.5]


@pytest.mark.parametrize("shares", [(0.0,), (0.5, 1.1), (0.5, 0.4, 0.3)])
def test_strengths_that_are_none_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(RequestError, match="--loopback-strength must be"):
        asked(loopback=2, loopback_strength=shares)


def test_every_part_is_painted_again_after_the_rest() -> None:
    found = asked(hires="2x", loopback=1, detail=("16x8+4+2", "m.png"), detail_prompt="a face")
    assert [each.source.mask for each in found] == [
        None,
        None,
        Mask(box=(4, 2, 16, 8)),
        Mask(image=Path("m.png")),
    ]
    assert all(each.source.only_masked and each.prompt == "a face" for each in found[2:])
