from pathlib import Path

import pytest

from gesso.generation.hires_text import heard, told
from gesso.generation.infotext import Infotext, parse, write
from gesso.request import FollowUp, Mask, Request, Source


def hires(**fields: object) -> FollowUp:
    return FollowUp.model_validate(fields)


@pytest.mark.parametrize(
    "follow",
    [
        hires(by=2, strength=0.5, steps=20, upscaler="latent"),
        hires(size=(128, 192), strength=0.25, steps=40, upscaler="lanczos"),
        hires(by=1.5, strength=1.0, steps=12, upscaler="latent-nearest", sampler="ddim", schedule="karras"),
        hires(
            by=2, strength=0.5, steps=30, upscaler="nearest", prompt="a hat", negative="fog, rain", cfg=3.5
        ),
        hires(by=2, strength=0.5, steps=30, upscaler=Path("4x_net"), model=Path("other")),
    ],
)
def test_what_is_told_is_heard(follow: FollowUp) -> None:
    request = Request(steps=12, then=(follow,))
    text = write(Infotext(steps=12, sampler="euler", seed=1, others=told(request)))
    assert heard(parse(text)) == follow


def test_steps_that_run_are_told_and_those_that_are_planned_are_heard() -> None:
    pairs = told(Request(steps=20, then=(hires(by=2, strength=0.5),)))
    assert pairs["Hires steps"] == "10"
    found = heard(parse("x\nSteps: 20, Seed: 1, Denoising strength: 0.5, Hires upscale: 2"))
    assert found is not None
    assert found.steps == 40
    assert found.source.upscaler == "latent"


@pytest.mark.parametrize(
    "request_",
    [
        Request(),
        Request(then=(hires(strength=0.5),)),
        Request(then=(FollowUp(source=Source(by=2, mask=Mask(box=(0, 0, 8, 8)))),)),
        Request(source=Source(image=Path("a.png")), then=(hires(by=2),)),
    ],
)
def test_other_follow_ups_are_not_told_so(request_: Request) -> None:
    assert told(request_) == {}


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ("Hires resize: 128x0", (128, 192)),
        ("Hires resize: 0x96", (64, 96)),
        ("Hires resize: 100x100", (96, 96)),
    ],
)
def test_one_side_goes_with_the_other(said: str, size: tuple[int, int]) -> None:
    found = heard(parse(f"x\nSteps: 20, Seed: 1, Size: 64x96, {said}, Hires sampler: Use same sampler"))
    assert found is not None
    assert (found.size, found.sampler) == (size, None)


@pytest.mark.parametrize(
    "said",
    [
        "RNG: CPU",
        "Hires upscale: much",
        "Hires upscale: 999",
        "Hires resize: 0x0",
        "Hires resize: x",
        "Hires resize: 64x0",
    ],
)
def test_what_cannot_be_is_not_heard(said: str) -> None:
    assert heard(parse(f"x\nSteps: 20, Seed: 1, Sampler: Euler, {said}")) is None
