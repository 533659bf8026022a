"""Distances: squares where mistakes are small, sizes where they are large."""

import pytest
import torch

from gesso.training.distance import DISTANCES, bound
from gesso.training.recipe import ObjectiveRules

ERROR = torch.tensor([-3.0, -0.01, 0.0, 0.5, 100.0]).reshape(1, 1, 1, 5)
C = torch.full((1, 1, 1, 1), 0.2)


def test_the_plain_ones() -> None:
    assert torch.equal(DISTANCES["l2"](ERROR, C), ERROR**2)
    assert torch.equal(DISTANCES["l1"](ERROR, C), ERROR.abs())


def test_huber_is_a_square_below_its_bound_and_a_size_above() -> None:
    cost = DISTANCES["huber"](ERROR, C).flatten()
    assert float(cost[1]) == pytest.approx(0.01**2, rel=0.01)
    assert float(cost[4]) == pytest.approx(2 * 0.2 * 100, rel=0.01)
    assert float(cost[2]) == 0
    torch.testing.assert_close(DISTANCES["smooth_l1"](ERROR, C) * C, DISTANCES["huber"](ERROR, C))


def test_the_bound_falls_with_noise_as_asked() -> None:
    t, alphas = torch.tensor([0, 500, 999]), torch.tensor([0.999, 0.3, 0.005])

    def at(schedule: str) -> torch.Tensor:
        return bound(ObjectiveRules.model_validate({"huber": 0.1, "huber_schedule": schedule}), t, alphas)

    assert at("constant").tolist() == pytest.approx([0.1] * 3)
    assert at("exponential").tolist() == pytest.approx([1.0, 0.1**0.5, 0.1], rel=0.01)
    snr = at("snr").tolist()
    assert snr == sorted(snr, reverse=True)
    assert snr[0] == pytest.approx(0.1 + 0.9 / (1 + (0.001 / 0.999) ** 0.5) ** 2)
