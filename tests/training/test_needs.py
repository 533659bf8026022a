"""What a run takes is counted before it begins, and refused with what would make it fit."""

from pathlib import Path
from typing import Any

import pytest

from gesso.errors import OutOfMemory
from gesso.model import Model
from gesso.training import needs as module
from gesso.training.needs import check, needs
from gesso.training.ranks import Ranks
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


def test_every_number_is_counted_as_often_as_it_is_held(files: dict[str, Path], tmp_path: Path) -> None:
    model = made.opened_model(files["sd1"])
    unet = sum(each.nbytes for each in model.networks["unet"].parameters())
    whole = sum(each.nbytes for network in model.networks.values() for each in network.parameters())
    full = needs(ready(model, tmp_path, subject={"kind": "full"}, run={"average": 0.0}))
    assert (full.weights, full.gradients, full.optimizer, full.average) == (whole, unet, 2 * unet, 0)
    fused = ready(model, tmp_path, subject={"kind": "full"}, run={"average": 0.0, "fused_backward": True})
    assert needs(fused).more == 2 * unet
    shared = ready(model, tmp_path, subject={"kind": "full"}, run={"average": 0.0, "shard": True})
    assert needs(shared, Ranks(0, 2)).more == 3 * unet // 2
    each = ready(model, tmp_path, run={"optimizer": "sgd", "average": 0.9})
    own = sum(weight.nbytes for weight in each.subject.module.parameters())
    found = needs(each)
    assert (found.weights, found.gradients, found.optimizer, found.average) == (whole + own, own, own, own)
    assert "optimizer" in found.text()


def test_what_cannot_fit_is_refused_with_the_least_that_helps(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = made.opened_model(files["sd1"])
    full = ready(model, tmp_path, subject={"kind": "full"}, run={"average": 0.9})
    unet = needs(full).gradients

    def refused(share: float, each: Ready = full) -> str:
        monkeypatch.setattr(module, "available", lambda _: int(unet * share))
        with pytest.raises(OutOfMemory, match="beside the weights") as error:
            check(each)
        return error.value.hint

    assert refused(3.5) == "fits with run.fused_backward = true"
    assert refused(2.5) == "fits with run.average = 0 and run.fused_backward = true"
    assert refused(1.5) == "fits with run.average = 0 and run.optimizer = adafactor"
    assert refused(0.5).endswith("run.fused_backward = true and run.optimizer = adafactor")
    several = ready(model, tmp_path, subject={"kind": "full"}, run={"average": 0.9, "accumulate": 2})
    assert refused(3.5, several) == "fits with run.average = 0"
    assert refused(0.5, several) == "fits with subject.kind = lora"
    assert "rank" in refused(0.0, ready(model, tmp_path, run={"accumulate": 2}))
    monkeypatch.setattr(module, "available", lambda _: None)
    assert check(full).gradients == unet
