import json
from pathlib import Path

import pytest
from PIL import Image

from gesso.cli.main import main
from gesso.generation.result import read_request
from tests.models import save_model

HERE = ("--device", "cpu", "--dtype", "float32")


@pytest.fixture
def asked(tmp_path: Path) -> list[str]:
    model = save_model(tmp_path / "m.safetensors", "sd1")
    told = ["a cat", "-m", str(model), "--seed", "1", "--steps", "1", "--frames", "3"]
    return ["morph", *told, "--out", str(tmp_path / "out"), *HERE]


@pytest.mark.parametrize("ending", ["webp", "gif"])
def test_frames_become_files_and_one_that_moves(
    ending: str, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moving = tmp_path / f"m.{ending}"
    assert main([*asked, "--to", "a dog", "--to-seed", "5", "--animation", str(moving), "--json"]) == 0
    files = [Path(each) for each in json.loads(capsys.readouterr().out)]
    assert files[3] == moving
    assert [each.name[:5] for each in files[:3]] == ["0001-", "0002-", "0003-"]
    assert read_request(files[1])["blend"] == {"prompt": "a dog", "share": 0.5}
    with Image.open(moving) as image:
        assert getattr(image, "n_frames", 1) == 3
        assert image.size == (64, 64)


def test_the_ends_are_the_two_pictures(asked: list[str], tmp_path: Path) -> None:
    assert main([*asked, "--to", "a dog", "--to-seed", "5"]) == 0
    frames = sorted((tmp_path / "out").iterdir())
    model = asked[asked.index("-m") + 1]
    for prompt, seed, frame in (("a cat", "1", frames[0]), ("a dog", "5", frames[2])):
        out = tmp_path / f"{seed}.png"
        told = ["generate", prompt, "-m", model, "--seed", seed, "--steps", "1", "--out", str(out), *HERE]
        assert main(told) == 0
        with Image.open(out) as end, Image.open(frame) as image:
            assert image.tobytes() == end.tobytes()


def test_it_is_told_and_refused_before_anything_is_painted(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked, "--to", "a dog", "--dry-run"]) == 0
    assert "3 pictures, 3 still to paint: 3 steps" in capsys.readouterr().out
    assert main([*asked, "--to", "a dog", "--animation", "m.mp4"]) == 2
    assert main(asked) == 2
    assert main([*asked, "--to", "a dog AND a cow"]) == 2
    assert not (tmp_path / "out").exists()
