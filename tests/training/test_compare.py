"""Saved files are ranked by their validation."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from gesso.errors import RequestError
from gesso.training.compare import ranked
from gesso.training.job import Written
from gesso.training.recipe import Training
from gesso.training.record import Record
from tests.training import made


def test_the_best_comes_first(tmp_path: Path) -> None:
    recipe = made.recipe(tmp_path, tmp_path, tmp_path / "run")
    with pytest.raises(RequestError, match="validated"):
        ranked(recipe)
    Record(tmp_path / "run" / "validation.jsonl").add(
        {"step": step, "loss": loss, "bands": [loss, 0.5]} for step, loss in ((5, 0.3), (10, 0.1), (15, 0.2))
    )
    (tmp_path / "run" / "step-00000010").mkdir()
    (tmp_path / "run" / "step-00000010" / "run.safetensors").touch()
    _, *lines = ranked(recipe).splitlines()
    assert [int(line.split()[1]) for line in lines] == [10, 15, 5]
    assert lines[0].endswith("step-00000010/run.safetensors")
    assert lines[1].endswith("gone")


def shown(folder: Path, base: Path, seed: int) -> None:
    """A picture that has half of all that can be seen in it in common with others."""
    path = made.picture(folder / f"{seed}.png", seed=seed)
    Image.blend(Image.open(base), Image.open(path), 0.5).save(path)
    path.with_suffix(".txt").write_text("a thing")


def loss(file: Path, recipe: Training) -> float:
    """Of a saved file, at noises and times of its own."""
    setup = made.set_up(made.opened_model(file), recipe)
    *_, audit = setup.audit()
    ready = setup.ready(audit)
    batch = ready.album.shown([(each, each.views[0], each.caption) for each in audit.of("validation")])
    found: list[float] = []
    for seed in range(8):
        noised = ready.lesson.draws(batch, torch.Generator().manual_seed(seed))
        with torch.no_grad():
            found.append(float(ready.lesson.losses(batch, noised).mean()))
    return sum(found) / len(found)


def test_of_an_overfit_run_the_best_is_where_it_was_least_wrong(small: Path, tmp_path: Path) -> None:
    """C8.5: learning one picture by heart helps with others only as far as they are alike."""
    base = made.picture(tmp_path / "base.png", seed=99)
    for folder, seed in (("p", 0), ("v", 1), ("v", 2)):
        shown(tmp_path / folder, base, seed)
    recipe = made.recipe(
        small,
        tmp_path / "p",
        tmp_path / "run",
        batch=2,
        data=[{"folder": tmp_path / "p"}, {"folder": tmp_path / "v", "role": "validation"}],
        subject={"kind": "full", "fresh": True},
        objective={"prediction": "x0", "latents": "mean"},
        run={"steps": 25, "save_every": 5, "rate": 5e-5, "average": 0.0, "fall": 0.0},
        validation={"bands": 1},
    )
    events = [each for each in made.carried_out(recipe) if isinstance(each, Written)]
    begun = recipe.model_copy(update={"subject": recipe.subject.model_copy(update={"fresh": False})})
    losses = {each.step: loss(each.file, begun) for each in events}
    best = min(losses, key=losses.__getitem__)
    assert 5 < best < 25
    measured = {each.step: each.validation.loss for each in events if each.validation is not None}
    assert min(measured, key=measured.__getitem__) == best
    assert int(ranked(recipe).splitlines()[1].split()[1]) == best
