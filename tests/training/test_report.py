"""The report shows what is on the disk."""

from pathlib import Path

from PIL import Image

from gesso.model import Model
from gesso.training.job import Job
from gesso.training.report import curve, report
from tests.training import made


def test_a_report_has_curves_previews_and_the_recipe(models: dict[str, Model], tmp_path: Path) -> None:
    recipe = made.recipe(
        models["sd1"].path,
        tmp_path,
        tmp_path / "run",
        previews={"prompts": ["<cat>", "dog"]},
        captions={"keep": 4},
    )
    job = Job(made.set_up(models["sd1"], recipe))
    assert "nothing yet" in report(job)
    job.losses.add({"step": step, "loss": 1 / step} for step in range(1, 9))
    job.measured.add({"step": step, "loss": 9 - step, "bands": [1.0, 2.0]} for step in (4, 8))
    for step in (4, 8):
        job.file(step).parent.mkdir()
        Image.new("RGB", (8, 8)).save(job.file(step).parent / "preview-0.png")
    text = report(job)
    assert text.count("<svg") == 2
    assert text.count("<polyline") == 3
    assert text.count("data:image/jpeg") == 2
    assert "&lt;cat&gt;" in text
    assert "lowest at step 8" in text
    assert "&quot;keep&quot;: 4" in text


def test_lines_lie_within_their_drawing_even_where_nothing_changes() -> None:
    text = curve({"a": [(1, 2.0)], "b": [(1, 2.0)]})
    assert "nan" not in text
    assert text.count("<polyline") == 2
