"""Optimizers of few bits learn, are saved and go on, and are refused where they cannot run."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gesso.errors import RequestError, Unsupported
from gesso.training.narrow_optimizers import LIBRARIES, narrow
from gesso.training.needs import STATES
from gesso.training.optimizers import optimizer
from gesso.training.settings import NARROW, TrainingSettings
from gesso.training.states import States
from gesso.training.stepping import Now, Together

NEAR = {"adamw8bit": 0.99, "adamw4bit": 0.9}
"""The least cosine between their way and that of whole numbers."""


def settings(name: str) -> TrainingSettings:
    return TrainingSettings(steps=9, rate=0.01, optimizer=name, weight_decay=0.0)


def learnt(network: nn.Module, stepping: Together, steps: range) -> None:
    x = torch.randn(32, 64, generator=torch.Generator().manual_seed(1))
    for step in steps:
        with stepping.moving(Now(step, 1.0)):
            (network(x) - x).square().mean().backward()


def fresh(name: str) -> tuple[nn.Linear, Together]:
    torch.manual_seed(0)
    network = nn.Linear(64, 64)
    return network, Together(network, settings(name))


@pytest.mark.parametrize("name", NEAR)
def test_they_go_the_way_of_adamw_and_go_on_exactly(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torchao")
    (whole, all_at_once), (wide, its) = fresh(name), fresh("adamw")
    start = whole.weight.detach().clone()
    learnt(whole, all_at_once, range(6))
    learnt(wide, its, range(6))
    moved, other = (each.weight.detach() - start for each in (whole, wide))
    assert torch.nn.functional.cosine_similarity(moved.flatten(), other.flatten(), dim=0) > NEAR[name]
    first, stepping = fresh(name)
    learnt(first, stepping, range(3))
    states = States(tmp_path)
    states.save(3, {"network": first.state_dict(), "optimizer": stepping.state()})
    again, other_stepping = fresh(name)
    found = states.newest()
    assert found is not None
    again.load_state_dict(found["network"])
    other_stepping.load(found["optimizer"])
    learnt(again, other_stepping, range(3, 6))
    assert torch.equal(again.weight, whole.weight)


@pytest.mark.parametrize("name", NEAR)
def test_they_keep_as_little_as_is_counted(name: str) -> None:
    pytest.importorskip("torchao")
    network, stepping = fresh(name)
    learnt(network, stepping, range(1))
    (state,) = (each for weight, each in stepping.optimizer.state.items() if weight.ndim == 2)
    kept: list[Any] = [state["exp_avg"], state["exp_avg_sq"]]
    size = sum(each.codes.nbytes + each.scale.nbytes for each in kept)
    assert size == STATES[name] * network.weight.nbytes


def test_those_that_cannot_run_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(LIBRARIES) == NARROW
    assert set(STATES) >= NARROW
    groups = [{"params": list(nn.Linear(2, 2).parameters())}]
    with pytest.raises(RequestError, match=r"pagedadamw8bit must move .* CUDA device, however: .* cpu"):
        optimizer(groups, settings("pagedadamw8bit"))
    monkeypatch.setitem(sys.modules, "torchao.optim", None)
    with pytest.raises(Unsupported, match="adamw8bit must come with torchao, however: it is not installed"):
        narrow(groups, settings("adamw8bit"))
