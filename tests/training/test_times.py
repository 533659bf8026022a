"""Times lie where they should, as often as they should."""

import math

import pytest
import torch

from gesso.training.recipe import TimeRules
from gesso.training.times import DENSITIES, drawn

MANY = 40_000


def shares(density: str, **rules: float) -> torch.Tensor:
    t = drawn(MANY, TimeRules.model_validate({"density": density, **rules}), torch.Generator().manual_seed(0))
    return (t.double() + 0.5) / 1000


@pytest.mark.parametrize("density", DENSITIES)
def test_every_time_is_within_the_range(density: str) -> None:
    rules = TimeRules.model_validate({"density": density, "first": 200, "last": 203})
    assert set(drawn(2000, rules, torch.Generator().manual_seed(1)).tolist()) == {200, 201, 202, 203}


def test_plain_times_are_all_alike() -> None:
    counts = torch.histc(shares("uniform").float(), 10, 0, 1)
    assert float((counts / MANY - 0.1).abs().max()) < 0.01


def test_logits_are_normal() -> None:
    logit = shares("logit_normal", mean=0.5, spread=0.8).logit()
    assert float(logit.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(logit.std()) == pytest.approx(0.8, abs=0.02)


def test_the_cosine_map_has_the_density_of_its_paper() -> None:
    """Esser et al. 2024: 2 / (π (1 - 2t + 2t²)), whose share below t is (2/π) atan(t / (1 - t))."""
    below = float((shares("cosine") < 0.25).double().mean())
    assert below == pytest.approx(2 / math.pi * math.atan(1 / 3), abs=0.01)


def test_early_and_late_mirror_each_other() -> None:
    early, late = shares("early", spread=1.0), shares("late", spread=1.0)
    assert float(early.mean()) == pytest.approx(1 / 3, abs=0.01)
    assert float(late.mean()) == pytest.approx(2 / 3, abs=0.01)
