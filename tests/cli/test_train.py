"""`gesso train`: recipes, options over them, and what it says without learning."""

import json
from pathlib import Path

import pytest

from gesso.cli.main import main
from gesso.training import needs
from gesso.training.footprint import Footprint
from gesso.training.recipe import Training
from tests.models import save_model
from tests.training import made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "sd1.safetensors", "sd1")


@pytest.fixture(autouse=True)
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a step takes is not counted, which takes seconds."""
    monkeypatch.setattr(needs, "footprint", lambda *_: Footprint(0, 0, 0))


def recipe(tmp_path: Path, model: Path) -> Path:
    made.album(tmp_path / "p", 3)
    path = tmp_path / "r.toml"
    path.write_text(
        f'model = "{model}"\nout = "{tmp_path / "run"}"\nsize = [32, 32]\ndevice = "cpu"\ndtype = "float32"\n'
        f'[[data]]\nfolder = "{tmp_path / "p"}"\n[subject]\nrank = 2\n'
        "[run]\nsteps = 2\nrate = 1e-2\nsave_every = 1\n[validation]\nshare = 0.4\n"
    )
    return path


def test_a_recipe_is_carried_out_and_compared(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """C8.7: the whole way on the CPU, previews included."""
    path = recipe(tmp_path, model)
    assert main(["train", str(path), "--json", "--previews.prompts", '["a thing"]']) == 0
    files = json.loads(capsys.readouterr().out)
    assert [Path(each).name for each in files] == ["run.safetensors"] * 3
    assert all(Path(each).is_file() for each in files)
    painted = [each.parent.name for each in (tmp_path / "run").glob("*/preview-0.png")]
    assert sorted(painted) == ["step-00000001", "step-00000002"]
    assert {"audit.html", "report.html", "recipe.json"} <= {
        each.name for each in (tmp_path / "run").iterdir()
    }
    assert main(["train", str(path), "--compare"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_options_count_more_than_the_recipe(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(tmp_path, model)
    assert (
        main(["train", str(path), "--dry-run", "--run.steps", "7", "--subject.alpha", "3", "--batch", "2"])
        == 0
    )
    found = Training.model_validate_json(capsys.readouterr().out)
    assert (found.run.steps, found.run.save_every, found.batch) == (7, 1, 2)
    assert (found.subject.alpha, found.subject.rank) == (3.0, 2)
    assert found.objective.prediction == "epsilon"
    assert not (tmp_path / "run").exists()


def test_looking_learns_nothing(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recipe(tmp_path, model)
    assert main(["train", str(path), "--look"]) == 0
    assert "3 pictures (2 train, 1 validation)" in capsys.readouterr().err
    assert (tmp_path / "run" / "audit.html").is_file()
    assert not (tmp_path / "run" / "states").exists()


def test_what_is_refused_is_shown_on_the_page_too(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recipe(tmp_path, model)
    (tmp_path / "p" / "1.txt").unlink()
    assert main(["train", str(path)]) == 2
    assert "1.png has none" in capsys.readouterr().err
    assert "1.png has none" in (tmp_path / "run" / "audit.html").read_text()


def test_without_pictures_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "pictures to learn from" in capsys.readouterr().err
