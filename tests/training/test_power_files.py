"""After a run: a file of another average, made of those that were kept."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from gesso.errors import RequestError
from gesso.training.job import Job
from gesso.training.power_files import averaged
from gesso.training.setup import opened
from tests.training import made


def test_a_kept_average_and_one_between(files: dict[str, Path], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 2)
    rules = {"steps": 4, "save_every": 2, "widths": (0.05, 0.1), "average": 0.0}
    recipe = made.recipe(files["sd1"], tmp_path / "p", tmp_path / "run", save_dtype="float32", run=rules)
    setup = opened(recipe)
    with pytest.raises(RequestError, match=r"run\.widths|kept averages"):
        averaged(setup, 0.1)
    job = Job(setup)
    for _ in job.look():
        pass
    list(job.carried_out())
    names = sorted(path.name for path in (tmp_path / "run" / "averages").iterdir())
    assert names == [f"0000000{step}-{width}.safetensors" for step in (2, 4) for width in (0.05, 0.1)]
    kept = load_file(tmp_path / "run" / "averages" / names[-1])
    same, between = averaged(setup, 0.1), averaged(setup, 0.07)
    assert (same.name, between.name) == ("run-0.1.safetensors", "run-0.07.safetensors")
    written = load_file(same)
    ups = sorted(float(each.sum()) for name, each in written.items() if name.endswith(".lora_up.weight"))
    assert ups == pytest.approx(
        sorted(float(each.sum()) for name, each in kept.items() if name.endswith(".up")), abs=1e-5
    )
    assert load_file(between).keys() == written.keys()
    assert between.read_bytes() != same.read_bytes()
