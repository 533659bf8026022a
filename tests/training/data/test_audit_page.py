"""The audit's page shows every picture and says everything."""

from pathlib import Path

from gesso.model import Model
from gesso.training.data.audit_page import audit_page
from tests.training import made


def test_the_page_says_what_the_audit_says(models: dict[str, Model], tmp_path: Path) -> None:
    folder = made.album(tmp_path / "p", 2, "<b>a thing</b>")
    made.picture(folder / "2.png", (48, 32), seed=7)
    (folder / "2.txt").write_text("")
    recipe = made.recipe(models["sd1"].path, folder, tmp_path / "run")
    *_, found = made.set_up(models["sd1"], recipe).audit()
    found.problems.append("something & more")
    text = audit_page(recipe, found)
    assert text.count("data:image/jpeg;base64,") == 3
    assert "&lt;b&gt;a thing&lt;/b&gt; 0" in text
    assert "something &amp; more" in text
    assert text.index("2.png") < text.index("0.png")
    (folder / "2.png").unlink()
    assert audit_page(recipe, found).count("data:image/jpeg") == 2
