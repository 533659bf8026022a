import itertools

import pytest
import torch

from gesso.guidance.scale import alternating, constant, manifold, step_of, within
from gesso.sampling.euler import euler

SIGMAS = (8.0, 4.0, 2.0, 1.0, 0.0)


@pytest.mark.parametrize(("sigma", "expected"), [(0.9, 1), (1.0, 3), (9.0, 3), (9.1, 1)])
def test_both_ends_of_the_interval_are_inside(sigma: float, expected: float) -> None:
    assert within(constant(3.0), (1.0, 9.0))(sigma) == expected


def test_below_a_level_every_other_step_is_not_guided() -> None:
    scale = alternating(constant(5.0), 5.0, SIGMAS)
    assert [scale(sigma) for sigma in SIGMAS[:-1]] == [5.0, 1.0, 5.0, 1.0]


def test_a_level_belongs_to_the_step_that_starts_at_it_or_above() -> None:
    assert [step_of(sigma, SIGMAS) for sigma in (9.0, 8.0, 7.9, 4.0, 1.0, 0.5)] == [0, 0, 0, 1, 3, 3]


def test_cfg_plus_plus_takes_the_next_noise_from_the_negative_alone() -> None:
    """The paper's step, written out, is Euler's with the scale that grows."""
    prompt, negative, amount = torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), -1.0), 0.6
    scale = manifold(amount, SIGMAS)
    x = torch.arange(4.0).reshape(1, 1, 2, 2)
    steps = euler(lambda _, sigma: negative + scale(sigma) * (prompt - negative), x, SIGMAS, None)  # type: ignore[arg-type]
    for step, (sigma, lower) in zip(steps, itertools.pairwise(SIGMAS), strict=True):
        x = negative + amount * (prompt - negative) + lower * (x - negative) / sigma
        torch.testing.assert_close(step.x, x)
