"""What a step takes is counted from shapes, and is what it really takes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gesso.errors import OutOfMemory
from gesso.model import Model, load
from gesso.runtime.kept import Kept
from gesso.training import needs
from gesso.training.footprint import Ledger, footprint, largest
from gesso.training.needs import check
from gesso.training.setup import Ready
from tests.training import made


def ready(model: Model, tmp_path: Path, **fields: Any) -> Ready:
    if not (tmp_path / "p").exists():
        made.album(tmp_path / "p", 1)
        made.picture(tmp_path / "p" / "0.png", (48, 24))
    rules = {"objective": {"prediction": "epsilon"}, "size": (32, 32), "batch": 2, **fields}
    setup = made.set_up(model, made.recipe(model.path, tmp_path / "p", tmp_path / "run", **rules))
    *_, audit = setup.audit()
    return setup.ready(audit)


@pytest.fixture(autouse=True)
def uncounted() -> None:
    """Here it is."""


def really(each: Ready) -> tuple[int, int]:
    """Bytes that torch saves for the way back of a real step, and the most that are there at once."""
    batch = largest(each)
    noised = each.lesson.draws(batch, torch.Generator().manual_seed(0))
    networks = (*each.setup.model.networks.values(), each.subject.module)
    every = (weight for network in networks for weight in network.parameters())
    weights = [weight for weight in every if not isinstance(weight, Kept)]
    known = {weight.untyped_storage().data_ptr() for weight in weights}
    saved: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with each.learning(), Ledger(weights) as ledger:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = each.lesson.losses(batch, noised).mean()
        torch.autograd.grad(loss, list(each.subject.module.parameters()), allow_unused=True)
    return sum(saved.values()), ledger.most()


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": {"kind": "full"}},
        {"subject": {"kind": "lora", "text": True, "conv_rank": 2}},
        {"subject": {"kind": "words", "word": "thing"}},
        {"subject": {"kind": "lora"}, "quantize": "int8"},
        {"subject": {"kind": "decoder"}},
    ],
    ids=lambda fields: fields.get("quantize", fields["subject"]["kind"]),
)
def test_what_is_counted_is_what_a_step_takes(small: Path, tmp_path: Path, fields: Any) -> None:
    model = load(small, device="cpu", dtype="float32", quantize=fields.get("quantize", "none"))
    each = ready(model, tmp_path, **fields)
    found = footprint(each)
    saved, most = really(each)
    assert 0.99 * saved <= found.kept <= 1.1 * saved
    assert found.whole == pytest.approx(most, rel=0.02)
    assert found.kept <= found.most <= found.whole
    # nothing of it is left behind
    assert all(weight.grad is None for weight in each.subject.module.parameters())


def test_what_is_worked_out_again_is_not_kept(small: Path, tmp_path: Path) -> None:
    plain = ready(made.opened_model(small), tmp_path, subject={"kind": "full"})
    found = [footprint(plain.with_recipe({"recompute": kind})) for kind in ("nothing", "attention", "blocks")]
    assert found[0].kept > found[1].kept > found[2].kept
    assert found[0].most > found[2].most
    again = plain.with_recipe({"recompute": "blocks"})
    assert found[2].whole == pytest.approx(really(again)[1], rel=0.02)


def test_a_run_is_told_of_it(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = ready(made.opened_model(small), tmp_path, run={"accumulate": 2}, batch=8)
    assert check(each).step == footprint(each).most
    monkeypatch.setattr(needs, "available", lambda _: needs.needs(each).more - 1)
    with pytest.raises(OutOfMemory) as error:
        check(each)
    assert error.value.hint.startswith("fits with recompute = ")


def test_memory_that_comes_and_goes_is_counted_at_its_worst_moment() -> None:
    start = torch.zeros(256)
    with Ledger([start]) as ledger:
        first = start + 1
        view = first.view(16, 16)
        (start * 2).add_(1)
        assert ledger.held() == 1024
        last = view * 3
        del first, view
        assert ledger.held() == 1024
    assert (ledger.most(), ledger.most([last])) == (2048, 2048)
