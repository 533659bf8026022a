import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.errors import RequestError
from gesso.sampling.levels import ContinuousLevels, NoiseLevels, TrainedLevels

TRAINED = TrainedLevels.scaled_linear()
ZERO_SNR = TRAINED.zero_terminal_snr()
EDM = ContinuousLevels(0.002, 120)
ALL: list[NoiseLevels] = [TRAINED, ZERO_SNR, EDM]


def test_stable_diffusions_ends_are_the_published_ones() -> None:
    assert TRAINED.sigma_min == pytest.approx(0.0291671582)
    assert TRAINED.sigma_max == pytest.approx(14.6146412)
    assert (TRAINED.t_min, TRAINED.t_max) == (0, 999)


@pytest.mark.parametrize("levels", ALL)
@given(share=st.floats(0, 1))
def test_sigma_to_t_and_back_is_the_same_sigma(levels: NoiseLevels, share: float) -> None:
    sigma = levels.sigma_min * (levels.sigma_max / levels.sigma_min) ** share
    assert levels.sigma(levels.t(sigma)) == pytest.approx(sigma, rel=1e-12)


@pytest.mark.parametrize("levels", ALL)
@given(share=st.floats(0, 1))
def test_t_to_sigma_and_back_is_the_same_t(levels: NoiseLevels, share: float) -> None:
    t = levels.t_min + share * (levels.t_max - levels.t_min)
    assert levels.t(levels.sigma(t)) == pytest.approx(t, abs=1e-9)


@pytest.mark.parametrize("levels", ALL)
def test_the_table_rises_from_end_to_end(levels: NoiseLevels) -> None:
    assert len(levels.sigmas) == 1000
    assert sorted(set(levels.sigmas)) == list(levels.sigmas)
    assert (levels.sigmas[0], levels.sigmas[-1]) == (levels.sigma_min, levels.sigma_max)


def test_whole_times_are_the_table_and_halves_lie_evenly_in_the_logarithm() -> None:
    assert [TRAINED.sigma(t) for t in range(1000)] == list(TRAINED.sigmas)
    assert TRAINED.sigma(10.5) == pytest.approx(math.sqrt(TRAINED.sigmas[10] * TRAINED.sigmas[11]))


def test_outside_the_table_its_ends_are_meant() -> None:
    assert TRAINED.sigma(-5) == TRAINED.sigma_min
    assert TRAINED.sigma(5000) == TRAINED.sigma_max
    assert (TRAINED.t(0.0), TRAINED.t(1e9)) == (0, 999)


def test_alphas_come_back_out() -> None:
    alphas = (0.9, 0.5, 0.1)
    assert TrainedLevels.from_alphas_cumprod(alphas).alphas_cumprod == pytest.approx(alphas)


def test_zero_terminal_snr_keeps_the_least_noise_and_forces_the_last_alpha() -> None:
    assert ZERO_SNR.sigma_min == pytest.approx(TRAINED.sigma_min)
    assert ZERO_SNR.alphas_cumprod[-1] == pytest.approx(4.8973451890853435e-08)
    assert ZERO_SNR.sigma_max == pytest.approx(4518.76, abs=0.01)


def test_zero_terminal_snr_scales_the_root_of_alpha_evenly() -> None:
    before, after = ([math.sqrt(a) for a in each.alphas_cumprod] for each in (TRAINED, ZERO_SNR))
    slopes = {(after[i] - after[i + 1]) / (before[i] - before[i + 1]) for i in range(900)}
    assert max(slopes) == pytest.approx(min(slopes))


def test_continuous_times_are_a_quarter_of_the_logarithm() -> None:
    assert EDM.t(math.e**2) == pytest.approx(0.5)
    assert EDM.t(0.0) == EDM.t_min


@pytest.mark.parametrize("sigmas", [(), (1.0,), (1.0, 1.0), (2.0, 1.0), (0.0, 1.0), (1.0, math.inf)])
def test_a_table_that_does_not_rise_is_refused(sigmas: tuple[float, ...]) -> None:
    with pytest.raises(RequestError, match="rising"):
        TrainedLevels(sigmas)


@pytest.mark.parametrize("alphas", [(0.5, 0.0), (1.0, 0.5), (0.5, float("nan"))])
def test_alphas_outside_their_range_are_refused(alphas: tuple[float, ...]) -> None:
    with pytest.raises(RequestError, match="between 0 and 1"):
        TrainedLevels.from_alphas_cumprod(alphas)


@pytest.mark.parametrize("ends", [(0.0, 1.0), (2.0, 1.0), (1.0, math.inf)])
def test_an_empty_range_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(RequestError, match="range above 0"):
        ContinuousLevels(*ends)
