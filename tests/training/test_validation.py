"""C8.5: validation depends on the weights alone."""

from pathlib import Path

import torch
from torch import nn

from gesso.model import Model
from gesso.training.setup import Ready
from gesso.training.validation import Validated, standing_in, validated
from tests.training import made


def ready(model: Model, tmp_path: Path, learnt: str, seed: int) -> Ready:
    sets = [{"folder": tmp_path / learnt}, {"folder": tmp_path / "v", "role": "validation"}]
    asked = made.recipe(
        model.path,
        tmp_path,
        tmp_path / f"run{seed}",
        data=sets,
        run={"seed": seed},
        objective={"prediction": "epsilon"},
        validation={"bands": 2},
    )
    setup = made.set_up(model, asked)
    *_, audit = setup.audit()
    return setup.ready(audit)


@torch.no_grad()
def measured(each: Ready) -> Validated:
    entries = each.audit.of("validation")
    with each.subject.learning():
        return validated(3, entries, each.album, each.lesson, each.setup.recipe)


def test_the_same_weights_give_the_same_numbers_whatever_is_learnt(
    models: dict[str, Model], tmp_path: Path
) -> None:
    made.album(tmp_path / "v", 2)
    made.album(tmp_path / "p", 3, "one")
    made.album(tmp_path / "q", 2, "other")
    for i in range(3):
        made.picture(tmp_path / "o" / f"{2 - i}.png", seed=i)
        (tmp_path / "o" / f"{2 - i}.txt").write_text(f"one {i}")
    one, other = ready(models["sd1"], tmp_path, "p", 1), ready(models["sd1"], tmp_path, "q", 2)
    shuffled = ready(models["sd1"], tmp_path, "o", 3)
    first = measured(one)
    assert (first.step, len(first.bands)) == (3, 2)
    assert first == measured(one) == measured(other) == measured(shuffled)
    assert first.loss == sum(first.bands) / 2
    learnt = {name: weight + 0.2 for name, weight in one.subject.module.named_parameters()}
    with standing_in(one.subject.module, learnt):
        assert measured(one) != first
    assert measured(one) == first


def test_other_values_stand_in_for_a_while() -> None:
    layer = nn.Linear(2, 2)
    before = {name: weight.clone() for name, weight in layer.named_parameters()}
    with standing_in(layer, {name: weight * 0 for name, weight in before.items()}):
        assert not layer(torch.ones(1, 2)).any()
    assert all(torch.equal(weight, before[name]) for name, weight in layer.named_parameters())
