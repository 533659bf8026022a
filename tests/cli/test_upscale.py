from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.cli.main import main
from gesso.generation.result import read_request
from tests.models import save_model

HERE = ("--device", "cpu", "--dtype", "float32")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a photo.png")
    return tmp_path / "a photo.png"


@pytest.fixture
def say(photo: Path, tmp_path: Path) -> Callable[..., int]:
    return lambda *told: main(["upscale", str(photo), *told, "--out", str(tmp_path / "out"), *HERE])


def painted(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "out").glob("*.png"))


def test_a_filter_alone_needs_no_model_and_is_exact(
    say: Callable[..., int], photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("gesso.model.filled", None)
        assert say("--by", "1.5", "--seed", "7") == 0
    (path,) = painted(tmp_path)
    assert path.name == "a-photo-7.png"
    with Image.open(photo) as before, Image.open(path) as after:
        assert after.tobytes() == before.resize((90, 60), Image.Resampling.LANCZOS).tobytes()
    assert main(["replay", str(path), "--out", str(tmp_path / "again.png")]) == 0
    with Image.open(path) as before, Image.open(tmp_path / "again.png") as after:
        assert after.tobytes() == before.tobytes()


def test_with_a_strength_it_is_painted_in_windows(
    say: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_model(tmp_path / "m.safetensors", "sd1")
    told = ("a cat", "-m", str(model), "--strength", "0.4", "--steps", "5", "--seed", "1", "--tile", "64")
    assert say(*told, "--overlap", "16", "--dry-run") == 0
    assert "2 steps" in capsys.readouterr().out
    assert say(*told, "--overlap", "16") == 0
    (path,) = painted(tmp_path)
    with Image.open(path) as image:
        assert image.size == (120, 80)
    request = read_request(path)
    assert request["windows"] == {"size": [64, 64], "overlap": 16}
    assert (request["source"]["by"], request["source"]["strength"]) == (2.0, 0.4)


@pytest.mark.parametrize("told", [("--tile", "64"), ("--upscaler", "latent"), ("--upscaler", "lanczoz")])
def test_what_has_no_meaning_without_painting_is_refused(
    told: tuple[str, ...], say: Callable[..., int], tmp_path: Path
) -> None:
    assert say(*told) == 2
    assert not painted(tmp_path)
