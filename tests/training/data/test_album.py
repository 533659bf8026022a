"""An album lays pictures out as batches: what a turn draws, and what goes with each picture."""

from pathlib import Path

import torch

from gesso.model import Model
from gesso.training.data.album import Album
from gesso.training.loop import Turn
from tests.training import made


def album(model: Model, tmp_path: Path, **fields: object) -> Album:
    recipe = made.recipe(model.path, tmp_path / "p", tmp_path / "run", **fields)
    setup = made.set_up(model, recipe)
    *_, found = setup.audit()
    return Album(found.of("train", "prior"), recipe, setup.latents, setup.telling)


def turn(number: int) -> Turn:
    return Turn(number, torch.Generator().manual_seed(number))


def test_a_turn_s_batch_is_always_the_same(models: dict[str, Model], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 5, "a, b, c,")
    rules = {"shuffle": True, "dropout": 0.3}
    one, other = (album(models["sd1"], tmp_path, batch=2, captions=rules) for _ in range(2))
    there = [one.batch(turn(i)) for i in range(6)]
    back = [other.batch(turn(i)) for i in reversed(range(6))][::-1]
    for first, second in zip(there, back, strict=True):
        assert (first.files, first.captions) == (second.files, second.captions)
        assert torch.equal(first.moments.mean, second.moments.mean)
    assert len({text for each in there for text in each.captions}) > 5


def test_prior_pictures_weigh_what_the_recipe_says(models: dict[str, Model], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 2)
    made.album(tmp_path / "q", 3, "of the class")
    sets = [{"folder": tmp_path / "p", "weight": 2.0}, {"folder": tmp_path / "q", "role": "prior"}]
    made.picture(tmp_path / "q" / "0.png", seed=20)
    found = album(models["sd1"], tmp_path, batch=4, data=sets, objective={"prior": 0.5})
    batch = found.batch(turn(0))
    weights = {
        ("q" in Path(file).parts, float(weight))
        for file, weight in zip(batch.files, batch.weights, strict=True)
    }
    assert weights == {(False, 2.0), (True, 0.5)}


def test_masks_and_hints_go_with_their_pictures(models: dict[str, Model], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 1)
    made.album(tmp_path / "q", 1)
    made.picture(tmp_path / "q" / "0.png", seed=20)
    made.picture(tmp_path / "m" / "0.png")
    sets = [
        {"folder": tmp_path / "p", "masks": tmp_path / "m", "hints": tmp_path / "m"},
        {"folder": tmp_path / "q"},
    ]
    batch = album(models["sd1"], tmp_path, batch=2, data=sets).batch(turn(0))
    assert batch.mask is not None
    whole = [bool((each == 1).all()) for each in batch.mask]
    assert sorted(zip((Path(file).parts[-2] for file in batch.files), whole, strict=True)) == [
        ("p", False),
        ("q", True),
    ]
    assert batch.hints is None
    assert batch.pixels is None


def test_a_decoder_is_shown_pixels(models: dict[str, Model], tmp_path: Path) -> None:
    made.album(tmp_path / "p", 1)
    batch = album(models["sd1"], tmp_path, subject={"kind": "decoder"}).batch(turn(0))
    assert batch.pixels is not None
    assert batch.pixels.shape == (1, 3, 32, 32)
