"""What a run takes is counted before it begins, and refused with what would make it fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gesso.errors import OutOfMemory
from gesso.model import Model
from gesso.training import needs as module
from gesso.training.footprint import Footprint
from gesso.training.needs import check, needs
from gesso.training.ranks import ALONE, Ranks
from gesso.training.setup import Ready
from tests.training import made


def ready(model: Model, tmp_path: Path, **fields: Any) -> Ready:
    if not (tmp_path / "p").exists():
        made.album(tmp_path / "p", 1)
    asked = made.recipe(
        model.path, tmp_path / "p", tmp_path / "run", objective={"prediction": "epsilon"}, **fields
    )
    setup = made.set_up(model, asked)
    *_, audit = setup.audit()
    return setup.ready(audit)


def there_is(free: int | None) -> Callable[[torch.device], int | None]:
    return lambda _: free


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, Footprint]:
    """What a step takes, by what is worked out again, in bytes that are known."""
    known = {name: Footprint(most, most, most + 10**8) for name, most in (("nothing", 300), ("blocks", 100))}
    known["attention"] = Footprint(200, 200, 200 + 10**8)

    def footprint(ready: Ready, ranks: Ranks = ALONE) -> Footprint:
        assert ranks.size > 0
        return known[ready.setup.recipe.recompute]

    monkeypatch.setattr(module, "footprint", footprint)
    return known


def test_every_number_is_counted_as_often_as_it_is_held(
    files: dict[str, Path], tmp_path: Path, steps: dict[str, Footprint]
) -> None:
    model = made.opened_model(files["sd1"])
    unet = sum(each.nbytes for each in model.networks["unet"].parameters())
    whole = sum(each.nbytes for network in model.networks.values() for each in network.parameters())
    full = needs(ready(model, tmp_path, subject={"kind": "full"}, run={"average": 0.0}))
    assert (full.weights, full.gradients, full.optimizer, full.average) == (whole, unet, 2 * unet, 0)
    # gradients come as what was kept goes
    assert full.step + full.gradients == steps["nothing"].whole
    several = ready(model, tmp_path, subject={"kind": "full"}, run={"accumulate": 2})
    assert needs(several).step == 300
    fused = ready(model, tmp_path, subject={"kind": "full"}, run={"average": 0.0, "fused_backward": True})
    assert needs(fused).more == 2 * unet + 300
    shared = ready(model, tmp_path, subject={"kind": "full"}, run={"average": 0.0, "shard": True})
    assert needs(shared, Ranks(0, 2)).more == 3 * unet // 2 + 300
    each = ready(model, tmp_path, run={"optimizer": "sgd", "average": 0.9})
    own = sum(weight.nbytes for weight in each.subject.module.parameters())
    found = needs(each)
    assert (found.weights, found.gradients, found.optimizer, found.average) == (whole + own, own, own, own)
    assert "optimizer" in found.text()
    assert "step" in found.text()


@pytest.mark.usefixtures("steps")
def test_what_cannot_fit_is_refused_with_the_least_that_helps(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made.opened_model(files["sd1"])
    rules = {"average": 0.9, "accumulate": 1}
    full = ready(model, tmp_path, subject={"kind": "full"}, run=rules)
    unet = needs(full).gradients
    now, fused = needs(full).more, 3 * unet

    def refused(free: int, each: Ready = full) -> str:
        monkeypatch.setattr(module, "available", there_is(free))
        with pytest.raises(OutOfMemory, match="beside the weights") as error:
            check(each)
        return error.value.hint

    assert refused(now - 1) == "fits with recompute = attention"
    assert refused(now - 101) == "fits with recompute = blocks"
    assert refused(fused + 300) == "fits with run.fused_backward = true"
    assert refused(fused + 299) == "fits with run.fused_backward = true and recompute = attention"
    assert refused(2 * unet + 300) == "fits with run.average = 0.0 and run.fused_backward = true"
    assert refused(100).startswith(
        "fits with run.average = 0.0, run.fused_backward = true, run.optimizer = ada"
    )
    assert "subject.kind = lora" in refused(99)
    several = ready(model, tmp_path, subject={"kind": "full"}, run={**rules, "accumulate": 2})
    assert refused(fused + 300, several) == "fits with run.average = 0.0"
    assert "rank" in refused(0, ready(model, tmp_path, run={"accumulate": 2}))
    monkeypatch.setattr(module, "available", there_is(None))
    assert check(full).gradients == unet
