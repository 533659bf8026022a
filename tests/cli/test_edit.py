import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.cli.main import main
from tests.models import save_model


@pytest.fixture
def files(tmp_path: Path) -> Path:
    save_model(tmp_path / "sd1.safetensors", "sd1")
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "s.png")
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 8:40] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    return tmp_path


def arguments(files: Path, *more: str) -> list[str]:
    return [
        "-m",
        str(files / "sd1.safetensors"),
        "--device",
        "cpu",
        "--dtype",
        "float32",
        "--seed",
        "1",
        *more,
    ]


def pixels(path: Path | str) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_picture_is_edited_and_replayed(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["edit", str(files / "s.png"), "--mask", str(files / "m.png"), "a cat", "--json"]
    assert main([*asked, *arguments(files, "--out", str(files / "e.png"))]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    before, after, kept = pixels(files / "s.png"), pixels(told["file"]), pixels(files / "m.png") == 0
    assert np.array_equal(after[kept], before[kept])
    assert (after[~kept] != before[~kept]).any()
    assert main(["replay", told["file"], "--out", str(files / "again.png")]) == 0
    assert "the same pixels" in capsys.readouterr().out


def test_a_replay_of_another_source_is_refused(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["edit", str(files / "s.png"), "--mask", str(files / "m.png"), "a cat"]
    assert main([*asked, *arguments(files, "--out", str(files / "e.png"))]) == 0
    Image.new("RGB", (64, 64)).save(files / "s.png")
    assert main(["replay", str(files / "e.png"), "--out", str(files / "again.png")]) == 2
    assert "has changed" in capsys.readouterr().err


def test_a_plan_is_printed_with_its_stage(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["edit", str(files / "s.png"), "a cat", "--mask", str(files / "m.png"), "--dry-run"]
    assert main([*asked, *arguments(files, "--only-masked", "--padding", "4")]) == 0
    assert "paint the mask, in 40x40 at 4,12 as 64x64" in capsys.readouterr().out
