"""Optimizers by name make a loss smaller, or are refused with a word."""

import sys

import pytest
import torch
from torch import nn

from gesso.errors import RequestError, UnknownName, Unsupported
from gesso.training.optimizers import OWN, optimizer, ready
from gesso.training.settings import TrainingSettings


def settings(name: str, **fields: object) -> TrainingSettings:
    return TrainingSettings.model_validate({"steps": 1, "rate": 0.05, "optimizer": name, **fields})


def after(name: str, steps: int = 60, **fields: object) -> float:
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    made = optimizer(
        [{"params": list(layer.parameters())}], settings(name, **{"weight_decay": 0.0, **fields})
    )
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        ready(made, training=True)
        made.zero_grad()
        loss = (layer(x) - 2 * x).square().mean()
        loss.backward()
        made.step()
        ready(made, training=False)
    return float((layer(x) - 2 * x).square().mean().detach())


@pytest.mark.parametrize("name", OWN)
def test_torch_s_own_learn(name: str) -> None:
    assert after(name) < 0.5 * after(name, 0)


@pytest.mark.parametrize(("name", "rate"), [("lion", 0.05), ("prodigy", 1.0), ("schedulefreeadamw", 0.05)])
def test_those_of_the_library_learn(name: str, rate: float) -> None:
    pytest.importorskip("pytorch_optimizer")
    assert after(name, rate=rate) < 0.9 * after(name, 0)


def test_options_are_the_optimizer_s_own() -> None:
    layer = nn.Linear(2, 2)
    groups = [{"params": list(layer.parameters())}]
    made = optimizer(groups, settings("adamw", options={"eps": 0.5}))
    assert made.param_groups[0]["eps"] == 0.5
    with pytest.raises(RequestError, match="adamw"):
        optimizer(groups, settings("adamw", options={"epsilon": 0.5}))


def test_names_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [{"params": list(nn.Linear(2, 2).parameters())}]
    if "pytorch_optimizer" in sys.modules:
        with pytest.raises(UnknownName, match="adamwx"):
            optimizer(groups, settings("adamwx"))
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(Unsupported, match="lion"):
        optimizer(groups, settings("lion"))
