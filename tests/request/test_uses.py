from pathlib import Path

import pytest
from pydantic import ValidationError

from gesso.request import ControlUse, ImagePrompt, Request


@pytest.mark.parametrize(
    ("written", "read"),
    [("0.5", 0.5), ("3", 3), ("true", True), ("False", False), ("heun", "heun"), (2, 2), (0.25, 0.25)],
)
def test_an_option_is_read_as_what_it_is(written: object, read: object) -> None:
    found = Request.model_validate({"sampler_options": {"x": written}}).sampler_options["x"]
    assert found == read
    assert type(found) is type(read)


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


def test_an_annotator_is_a_name_or_a_file() -> None:
    with pytest.raises(ValidationError, match="a name or a file"):
        ControlUse(model=Path("net.pth"), annotator="canny", annotator_file=Path("depth.onnx"))


def test_a_control_must_begin_before_it_ends() -> None:
    with pytest.raises(ValidationError, match="start must not lie after end"):
        ControlUse(model=Path("net.pth"), start=0.5, end=0.4)


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


def test_files_alone_stand_for_words() -> None:
    words = Request.model_validate({"embeddings": ["a/thing.pt", {"file": "b.pt"}]}).embeddings
    assert [each.file.name for each in words] == ["thing.pt", "b.pt"]


@pytest.mark.parametrize("fields", [{"start": 0.6, "end": 0.4}, {"curve": ((0.5, 1.0), (0.2, 1.0))}])
def test_a_course_goes_forward(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="shares must rise"):
        Request.model_validate({"loras": [{"file": "x", **fields}]})


def test_a_picture_as_a_prompt_acts_from_its_start_to_its_end() -> None:
    with pytest.raises(ValidationError, match="start must not come after end"):
        ImagePrompt.model_validate({"images": ["cat.png"], "start": 0.8, "end": 0.2})
