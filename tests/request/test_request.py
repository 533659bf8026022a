from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gesso.request import ControlUse, GuidanceShape, MicroConditions, Refiner, Request, Source

sides = st.integers(8, 16384)


@given(sides, sides)
def test_a_size_is_read_in_every_form(width: int, height: int) -> None:
    forms = [
        (width, height),
        f"{width}x{height}",
        f"{width} X {height}",
        f"{width}×{height}",
        [f"{width}x{height}"],
    ]
    assert {Request.model_validate({"size": form}).size for form in forms} == {(width, height)}
    assert {Request.model_validate({"size": form}).size for form in (width, str(width))} == {(width, width)}


@pytest.mark.parametrize("size", ["", "x", "axb", "64x64x64", (64,), (64, 64, 64), 7, 16385, 0.5])
def test_what_is_no_size_is_refused(size: object) -> None:
    with pytest.raises(ValidationError):
        Request.model_validate({"size": size})


@pytest.mark.parametrize("part", [Request, Source, Refiner, GuidanceShape, MicroConditions])
def test_a_misspelt_field_is_an_error(part: type) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        part(image="x", model="x", sede=3)


def test_a_request_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Request(prompt="a cat").prompt = "a dog"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("seed", 2**64),
        ("count", 0),
        ("steps", 0),
        ("cfg", -0.5),
        ("clip_skip", 0),
        ("noise", "gpu"),
        ("source", {"image": "x.png", "strength": -0.1}),
        ("source", {"image": "x.png", "strength": 1.1}),
        ("refiner", {"model": "x", "start": 1.0}),
    ],
)
def test_numbers_outside_their_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Request.model_validate({field: value})


def test_a_file_alone_stands_for_the_whole_part() -> None:
    told = Request.model_validate({"source": "a/photo.png", "refiner": Path("b/refiner.safetensors")})
    assert told.source == Source(image=Path("a/photo.png"))
    assert told.refiner == Refiner(model=Path("b/refiner.safetensors"))


def test_a_request_survives_json() -> None:
    request = Request(
        prompt="a (red:1.2) apple",
        size=(512, 768),
        seed=2**64 - 1,
        sampler_options={"eta": 0.5, "order": 3, "solver": "midpoint", "flag": True},
        sigmas=(14.6, 1.0, 0.0),
        source=Source(image=Path("a/photo.png"), strength=0.3),
        refiner=Refiner(model=Path("b.safetensors")),
    )
    assert Request.model_validate_json(request.model_dump_json()) == request
    assert Request.model_validate(request.model_dump(mode="json")) == request


def test_every_field_says_what_it_is() -> None:
    for part in (Request, ControlUse, Source, Refiner, GuidanceShape, MicroConditions):
        for name, field in part.model_fields.items():
            assert field.description, f"{part.__name__}.{name}"
