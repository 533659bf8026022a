import json
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file

from gesso.cli.main import main
from gesso.families.autoencoder_plan import tiny_decoder_shapes
from gesso.families.text_plan import ClipPlan, clip_shapes
from gesso.generation.pictures import Texts, read_texts, write_picture
from tests.models import random_weights, save_model

HERE = ("--device", "cpu", "--dtype", "float32")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_model(tmp_path / "model.safetensors", "sd1")


@pytest.fixture
def picture(model: Path, tmp_path: Path) -> Path:
    out = tmp_path / "first.png"
    told = ["generate", "-m", str(model), "a (red:1.2) cat", "--seed", "3", "--out", str(out), *HERE]
    assert main([*told, "--sampler", "euler_ancestral"]) == 0
    return out


def replay(picture: Path, *arguments: str) -> int:
    return main(["replay", str(picture), "--out", str(picture.with_name("again.png")), *arguments])


def test_the_same_pixels_again(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(picture) == 0
    assert capsys.readouterr().out == "the same pixels\n"
    with Image.open(picture) as first, Image.open(picture.with_name("again.png")) as again:
        assert first.tobytes() == again.tobytes()


def test_a_model_that_was_moved_is_named(
    picture: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = model.rename(model.with_name("moved.safetensors"))
    assert replay(picture) == 2
    assert "--model FILE" in capsys.readouterr().err
    assert replay(picture, "-m", str(moved)) == 0
    assert capsys.readouterr().out == "the same pixels\n"


def test_other_weights_are_refused(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = save_model(tmp_path / "other.safetensors", "sd1", seed=1)
    assert replay(picture, "--model", str(other)) == 2
    assert "its hash differs" in capsys.readouterr().err
    assert not picture.with_name("again.png").exists()


def test_changed_pixels_are_counted(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = read_texts(picture)
    with Image.open(picture) as file:
        image = file.convert("RGB")
    red, green, blue = image.getpixel((5, 6))
    image.putpixel((5, 6), (red ^ 1, green, blue))
    touched = write_picture(image, picture.with_name("touched.png"), texts)
    assert replay(touched) == 0
    assert "1 of 4096 pixels differ, by at most 1 of 255" in capsys.readouterr().out


def test_another_engines_picture_is_refused(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = read_texts(picture)
    record = json.loads(texts.gesso or "") | {"engine": 99}
    texts = Texts(texts.parameters, json.dumps(record))
    later = write_picture(Image.new("RGB", (64, 64)), picture.with_name("later.png"), texts)
    assert replay(later) == 2
    assert "must come from engine" in capsys.readouterr().err


def test_a_picture_without_a_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (8, 8)).save(path)
    assert replay(path) == 2
    assert "must carry what gesso writes" in capsys.readouterr().err


def test_files_of_single_parts_are_named_in_the_picture(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tiny decoder and a text encoder of their own: other pixels, and the same again from the picture."""
    tiny, words = tmp_path / "taesd_decoder.safetensors", tmp_path / "clip_l.safetensors"
    save_file(random_weights(tiny_decoder_shapes(8)), tiny)
    save_file(random_weights(clip_shapes(ClipPlan(width=64, layers=3, vocabulary=1024)), 9), words)
    pixels: set[bytes] = set()
    for index, named in enumerate(((), ("--vae", str(tiny)), ("--text-encoders", str(words)))):
        out = tmp_path / f"{index}.png"
        told = ["generate", "-m", str(model), "a cat", "--seed", "3", "--steps", "1", "--out", str(out)]
        assert main([*told, *HERE, *named]) == 0
        pixels.add(Image.open(out).tobytes())
        capsys.readouterr()
        assert main(["replay", str(out), "--out", str(tmp_path / f"{index}-again.png")]) == 0
        assert capsys.readouterr().out == "the same pixels\n"
    assert len(pixels) == 3
