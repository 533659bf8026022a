import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesso.sampling.process import NO_CHURN, Churn, ancestral, churned, slope, toward
from tests.sampling.fakes import Forbidden, Replayed

X = torch.tensor([[[[1.0, -2.0]]]])
DENOISED = torch.tensor([[[[0.5, 0.25]]]])


def test_toward_ends_at_the_estimate_and_stays_at_ratio_one() -> None:
    assert torch.equal(toward(X, DENOISED, 0.0), DENOISED)
    assert torch.allclose(toward(X, DENOISED, 1.0), X)


def test_toward_is_a_step_along_the_slope() -> None:
    assert torch.allclose(toward(X, DENOISED, 2.0 / 5.0), X + slope(X, 5.0, DENOISED) * (2.0 - 5.0))


@given(sigma=st.floats(0.1, 5000), share=st.floats(0, 0.999), eta=st.floats(0, 3))
def test_both_parts_of_an_ancestral_step_make_up_its_end(sigma: float, share: float, eta: float) -> None:
    down, up = ancestral(sigma, share * sigma, eta)
    assert math.hypot(down, up) == pytest.approx(share * sigma)
    assert 0 <= up <= share * sigma


@given(sigma=st.floats(0.1, 5000), share=st.floats(0.001, 0.999))
def test_with_eta_one_the_step_is_the_posterior_of_the_noising(sigma: float, share: float) -> None:
    down, up = ancestral(sigma, share * sigma, 1.0)
    # of the Gaussian x' given x = x' + noise and the clean picture
    assert down == pytest.approx(share**2 * sigma)
    assert up**2 == pytest.approx(1 / (1 / (share * sigma) ** 2 + 1 / (sigma**2 - (share * sigma) ** 2)))


def test_without_eta_nothing_is_fresh() -> None:
    assert ancestral(3.0, 2.0, 0.0) == (2.0, 0.0)


def test_churn_raises_levels_within_its_range_by_at_most_root_two() -> None:
    churn = Churn(s_churn=2.0, s_tmin=1.0, s_tmax=10.0)
    assert [churn.level(sigma, 20) for sigma in (0.5, 1.0, 10.0, 11.0)] == [0.5, 1.1, 11.0, 11.0]
    assert Churn(s_churn=1e9).level(1.0, 20) == pytest.approx(math.sqrt(2))
    assert NO_CHURN.level(5.0, 20) == 5.0


def test_churned_latents_gain_the_difference_in_variance() -> None:
    noise = torch.ones_like(X)
    raised = churned(X, 3.0, 5.0, Replayed([noise]), 0.5)
    assert torch.allclose(raised, X + 0.5 * 4.0)
    assert churned(X, 3.0, 3.0, Forbidden(), 1.0) is X
