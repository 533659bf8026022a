from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gesso.request import (
    ControlUse,
    GuidanceShape,
    ImagePrompt,
    Mask,
    MicroConditions,
    Refiner,
    Request,
    Source,
)

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


@pytest.mark.parametrize(
    ("written", "read"),
    [("0.5", 0.5), ("3", 3), ("true", True), ("False", False), ("heun", "heun"), (2, 2), (0.25, 0.25)],
)
def test_an_option_is_read_as_what_it_is(written: object, read: object) -> None:
    found = Request.model_validate({"sampler_options": {"x": written}}).sampler_options["x"]
    assert found == read
    assert type(found) is type(read)


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
        ("source", {"image": "x.png", "strength": 0.0}),
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


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("net.pth", ControlUse(model=Path("net.pth"))),
        (Path("net.pth"), ControlUse(model=Path("net.pth"))),
        ("net.pth:a.png", ControlUse(model=Path("net.pth"), image=Path("a.png"))),
        ("net.pth:a.png:0.5", ControlUse(model=Path("net.pth"), image=Path("a.png"), weight=0.5)),
        ("net.pth:0.5", ControlUse(model=Path("net.pth"), weight=0.5)),
        ({"model": "net.pth", "end": 0.5}, ControlUse(model=Path("net.pth"), end=0.5)),
    ],
)
def test_a_control_is_read_in_every_form(written: object, read: ControlUse) -> None:
    request = Request.model_validate({"controls": [written]})
    assert request.controls == (read,)
    assert Request.model_validate_json(request.model_dump_json()) == request


def test_a_control_must_begin_before_it_ends() -> None:
    with pytest.raises(ValidationError, match="start must not lie after end"):
        ControlUse(model=Path("net.pth"), start=0.5, end=0.4)


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


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("style.safetensors", ("style.safetensors", 1.0)),
        ("style.safetensors:0.8", ("style.safetensors", 0.8)),
        (Path("a/style.pt"), ("a/style.pt", 1.0)),
        ("C:/style.pt", ("C:/style.pt", 1.0)),
        ("C:/style.pt:-1", ("C:/style.pt", -1.0)),
        ({"file": "x.pt", "weight": 2}, ("x.pt", 2.0)),
    ],
)
def test_a_lora_may_be_written_with_its_weight(written: object, read: tuple[str, float]) -> None:
    (use,) = Request.model_validate({"loras": [written]}).loras
    assert (use.file.as_posix(), use.weight) == read


def test_files_alone_stand_for_words_and_masks() -> None:
    words = Request.model_validate({"embeddings": ["a/thing.pt", {"file": "b.pt"}]}).embeddings
    assert [each.file.name for each in words] == ["thing.pt", "b.pt"]
    source = Source.model_validate({"image": "s.png", "mask": "m.png"})
    assert source.mask == Mask(image=Path("m.png"))


@pytest.mark.parametrize("fields", [{"start": 0.6, "end": 0.4}, {"curve": ((0.5, 1.0), (0.2, 1.0))}])
def test_a_course_goes_forward(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="shares must rise"):
        Request.model_validate({"loras": [{"file": "x", **fields}]})


def test_a_picture_as_a_prompt_acts_from_its_start_to_its_end() -> None:
    with pytest.raises(ValidationError, match="start must not come after end"):
        ImagePrompt.model_validate({"images": ["cat.png"], "start": 0.8, "end": 0.2})
