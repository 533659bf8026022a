import json
from pathlib import Path

import pytest
from PIL import Image

from gesso import model as gesso_model
from gesso.cli.main import main
from gesso.generation.result import read_request
from tests.models import save_model

HERE = ("--device", "cpu", "--dtype", "float32")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {name: str(save_model(folder / f"{name}.safetensors", name)) for name in ("sd1", "sdxl")}


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    return json.loads(capsys.readouterr().out)


def test_every_cell_is_what_generate_paints_to_the_byte(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = f"model={files['sd1']},{files['sdxl']}"
    axes = ("--x", "steps=1-2", "--y", models, "--z", "seed=7,8")
    assert main(["grid", "a cat", *axes, "--out", str(tmp_path / "g"), "--json", *HERE]) == 0
    found = told(capsys)
    cells = [Path(each) for each in found["cells"]]
    assert len(cells) == 8
    for index, (seed, model, steps) in enumerate(
        (seed, model, steps) for seed in (7, 8) for model in files.values() for steps in (1, 2)
    ):
        alone = tmp_path / "alone" / f"{index}.png"
        asked = ["generate", "a cat", "-m", model, "--steps", str(steps), "--seed", str(seed), *HERE]
        assert main([*asked, "--out", str(alone)]) == 0
        assert alone.read_bytes() == cells[index].read_bytes()
    sheets = [Path(each) for each in found["sheets"]]
    for each in sheets:
        with Image.open(each) as sheet:
            assert min(sheet.size) > 128
    assert Path(str(found["page"])).read_text(encoding="utf-8").count("<img ") == 8


def test_each_model_is_loaded_once(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = gesso_model.load

    def counting(path: Path, **options: object) -> gesso_model.Model:
        loaded.extend([str(path)] if options["weights"] else [])
        return load(path, **options)

    monkeypatch.setattr(gesso_model, "load", counting)
    axes = ("-x", f"model={files['sd1']},{files['sdxl']}", "--y=seed=1-2")
    assert main(["grid", "a cat", *axes, "--steps", "1", "--out", str(tmp_path), *HERE]) == 0
    assert loaded == [files["sd1"], files["sdxl"]]


def test_a_grid_goes_on_where_it_stopped(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        "grid",
        "a cat",
        "-m",
        files["sd1"],
        "--seed",
        "3",
        "--x",
        "steps=1,2",
        "--out",
        str(tmp_path),
        *HERE,
    ]
    assert main([*asked, "--json"]) == 0
    first, second = (Path(each) for each in told(capsys)["cells"])
    kept, bytes_before = first.stat().st_mtime_ns, second.read_bytes()
    second.unlink()
    assert main([*asked, "--dry-run"]) == 0
    assert "2 pictures, 1 still to paint: 2 steps, models to load: 1" in capsys.readouterr().out
    assert main(asked) == 0
    assert second.read_bytes() == bytes_before
    assert first.stat().st_mtime_ns == kept
    assert len(list((tmp_path / "cells").iterdir())) == 2
    assert len(list(tmp_path.glob("sheet-*.png"))) == 1


def test_a_matrix_of_prompt_parts(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["grid", "a cat | at night", "-m", files["sd1"], "--x", "matrix", "--steps", "1"]
    assert main([*asked, "--out", str(tmp_path), "--json", *HERE]) == 0
    cells = [Path(each) for each in told(capsys)["cells"]]
    assert [read_request(each)["prompt"] for each in cells] == ["a cat", "a cat, at night"]


def test_what_cannot_be_painted_is_refused_before_anything_is(
    files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["grid", "a cat", "-m", files["sd1"], "--out", str(tmp_path / "g"), *HERE]
    assert main([*asked, "--x", "steppes=1,2"]) == 2
    assert "did you mean 'steps'?" in capsys.readouterr().err
    assert main([*asked, "--x", "sampler=euler,oiler"]) == 2
    assert "did you mean 'euler'?" in capsys.readouterr().err
    assert not (tmp_path / "g").exists()
