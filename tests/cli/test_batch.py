import json
from pathlib import Path

import pytest
from PIL import Image

from gesso.cli.main import main
from gesso.generation import generate
from gesso.generation.result import read_request
from tests.models import save_model

HERE = ("--device", "cpu", "--dtype", "float32")


@pytest.fixture
def asked(tmp_path: Path) -> list[str]:
    model = save_model(tmp_path / "m.safetensors", "sd1")
    lines = tmp_path / "rows.txt"
    lines.write_text('a cat\na cat\n{"prompt": "a dog", "seed": 5, "steps": 1}\n', encoding="utf-8")
    return ["batch", str(lines), "-m", str(model), "--steps", "2", "--out", str(tmp_path / "out"), *HERE]


def painted(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "out").glob("*.png"))


def test_one_picture_a_row_however_often_it_runs(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*asked, "--json"]) == 0
    files = [Path(each) for each in json.loads(capsys.readouterr().out)]
    assert files == painted(tmp_path)
    told = [read_request(each) for each in files]
    assert [each["prompt"] for each in told] == ["a cat", "a cat", "a dog"]
    assert [each["steps"] for each in told] == [2, 2, 1]
    before = [each.stat().st_mtime_ns for each in files]
    assert main(asked) == 0
    assert [each.stat().st_mtime_ns for each in painted(tmp_path)] == before


def test_a_run_that_was_killed_goes_on_with_what_is_missing(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paint, left = generate.generate, [1]

    def killed(*told: object) -> object:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return paint(*told)

    monkeypatch.setattr(generate, "generate", killed)
    assert main(asked) == 130
    assert len(painted(tmp_path)) == 1
    first = painted(tmp_path)[0].read_bytes()
    monkeypatch.undo()
    assert main([*asked, "--dry-run"]) == 0
    assert "3 pictures, 2 still to paint: 3 steps" in capsys.readouterr().out
    assert main(asked) == 0
    assert len(painted(tmp_path)) == 3
    assert painted(tmp_path)[0].read_bytes() == first


def test_a_changed_row_is_painted_and_no_other(asked: list[str], tmp_path: Path) -> None:
    assert main(asked) == 0
    before = {each.name for each in painted(tmp_path)}
    lines = Path(asked[1])
    lines.write_text(lines.read_text().replace("dog", "cow"))
    assert main(asked) == 0
    (new,) = {each.name for each in painted(tmp_path)} - before
    assert read_request(tmp_path / "out" / new)["prompt"] == "a cow"


def test_a_file_that_is_no_text_is_refused(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(asked[1]).write_bytes(b"\xff\xfe\x00")
    assert main(asked) == 2
    assert "must be a text file" in capsys.readouterr().err


def test_a_folder_of_pictures_is_painted_over_picture_by_picture(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, colour in (("photos", "teal"), ("masks", "white")):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (64, 64), colour).save(tmp_path / folder / "one.png")
    Image.new("RGB", (64, 48), "red").save(tmp_path / "photos" / "two.jpg")
    told = ["batch", str(tmp_path / "photos"), *asked[2:], "--strength", "0.5", "--prompt", "a cat", "--json"]
    assert main(told) == 0
    files = [Path(each) for each in json.loads(capsys.readouterr().out)]
    assert [each.name[:4] for each in files] == ["one-", "two-"]
    assert [read_request(each)["source"]["strength"] for each in files] == [0.5, 0.5]
    assert main([*told, "--masks", str(tmp_path / "masks")]) == 2
    (tmp_path / "photos" / "two.jpg").unlink()
    assert main([*told, "--masks", str(tmp_path / "masks")]) == 0
    capsys.readouterr()
    assert main([*asked, "--masks", str(tmp_path / "masks")]) == 2
    assert "must go with a folder" in capsys.readouterr().err
