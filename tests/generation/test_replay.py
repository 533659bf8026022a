import json
from pathlib import Path

import pytest
from PIL import Image

from gesso.errors import RequestError
from gesso.generation.generate import paint
from gesso.generation.pictures import Texts, read_texts, write_picture
from gesso.generation.replay import compared, recalled
from gesso.generation.result import Origin, save
from gesso.model import load
from gesso.request import Request
from tests.models import save_model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return save_model(tmp_path / "model.safetensors", "sd2")


@pytest.fixture
def picture(file: Path, tmp_path: Path) -> Path:
    model = load(file, device="cpu", dtype="float32", prediction="epsilon")
    result = paint(model, Request(prompt="a cat", seed=3, sampler="dpmpp_sde"))
    return save(result.images[0], result.requests[0], Origin.of(model), tmp_path / "first.png")


def record(picture: Path) -> dict[str, object]:
    return json.loads(read_texts(picture).gesso or "")


def rewritten(picture: Path, **changes: object) -> Path:
    texts = Texts(None, json.dumps(record(picture) | changes))
    return write_picture(Image.new("RGB", (8, 8)), picture.with_name("other.png"), texts)


def test_a_picture_alone_recalls_model_and_request(picture: Path, file: Path) -> None:
    model, request = recalled(picture)
    assert model.path == file
    assert (str(model.device), str(model.dtype)) == ("cpu", "torch.float32")
    assert (model.identity.facts.prediction.value, model.identity.facts.prediction.by) == ("epsilon", "user")
    assert (request.prompt, request.seed, request.sampler) == ("a cat", 3, "dpmpp_sde")
    again = paint(model, request).images[0]
    with Image.open(picture) as first:
        assert again.tobytes() == first.tobytes()


def test_what_weights_were_rounded_to_is_recalled(file: Path, tmp_path: Path) -> None:
    model = load(file, device="cpu", dtype="float32", prediction="epsilon", quantize="int4")
    request = Request(prompt="a cat", seed=3)
    result = paint(model, request)
    path = save(result.images[0], result.requests[0], Origin.of(model), tmp_path / "rounded.png")
    again = paint(*recalled(path)).images[0]
    plain = paint(load(file, device="cpu", dtype="float32", prediction="epsilon"), request).images[0]
    assert again.tobytes() == result.images[0].tobytes() != plain.tobytes()


def test_a_file_that_was_moved_is_named(picture: Path, file: Path) -> None:
    moved = file.rename(file.with_name("moved.safetensors"))
    assert recalled(picture, moved)[0].path == moved


def test_other_weights_are_refused(picture: Path, tmp_path: Path) -> None:
    other = save_model(tmp_path / "other.safetensors", "sd2", seed=1)
    with pytest.raises(RequestError, match="its hash differs") as error:
        recalled(picture, other)
    assert "model.safetensors" in error.value.hint


def test_the_built_in_checkpoint_is_found_wherever_it_is(
    picture: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = file.rename(file.with_name("builtin.safetensors"))
    monkeypatch.setattr("gesso.generation.replay.builtin", lambda: installed)
    assert recalled(picture)[0].path == installed
    strange = save_model(file.with_name("strange.safetensors"), "sd2", seed=1)
    monkeypatch.setattr("gesso.generation.replay.builtin", lambda: strange)
    with pytest.raises(RequestError, match="must be where it was") as error:
        recalled(picture)
    assert "--model" in error.value.hint


@pytest.mark.parametrize("engine", [0, 2, "1", None])
def test_another_engines_pictures_are_refused(engine: object, picture: Path) -> None:
    with pytest.raises(RequestError, match="must come from engine 1"):
        recalled(rewritten(picture, engine=engine))


def saved(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


def test_pictures_are_compared_pixel_by_pixel(tmp_path: Path) -> None:
    grey = Image.new("RGB", (8, 6), (100, 100, 100))
    touched = grey.copy()
    touched.putpixel((1, 2), (100, 93, 101))
    touched.putpixel((7, 5), (101, 100, 100))
    first = saved(tmp_path / "a.png", grey)
    assert compared(first, saved(tmp_path / "b.png", grey)) == "the same pixels"
    found = compared(first, saved(tmp_path / "c.png", touched))
    assert found == "2 of 48 pixels differ, by at most 7 of 255"
    other = saved(tmp_path / "d.png", grey.resize((6, 8)))
    assert compared(first, other) == "other sizes: 8x6 and 6x8"
