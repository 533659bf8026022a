import itertools
import math

import pytest

from gesso.errors import RequestError, UnknownName
from gesso.sampling.levels import ContinuousLevels, NoiseLevels, TrainedLevels
from gesso.sampling.schedules import (
    ALIGNED,
    SCHEDULES,
    align_your_steps,
    beta,
    ddim_uniform,
    explicit,
    karras,
    karras_between,
    kl_optimal,
    normal,
    schedule,
    sgm_uniform,
    simple,
    uniform,
)

TRAINED = TrainedLevels.scaled_linear()
ALL: list[NoiseLevels] = [TRAINED, TRAINED.zero_terminal_snr(), ContinuousLevels(0.002, 120)]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("levels", ALL)
def test_schedules_fall_to_zero_in_as_many_steps_as_asked(name: str, levels: NoiseLevels) -> None:
    for steps in (*range(1, 61), 100, 333, 999, 1000):
        sigmas = schedule(name)(levels, steps)
        assert len(sigmas) == steps + 1
        assert sigmas[-1] == 0
        assert all(high > low for high, low in itertools.pairwise(sigmas)), steps
        assert all(type(sigma) is float and math.isfinite(sigma) for sigma in sigmas)


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"ddim_uniform", "align_your_steps"}))
@pytest.mark.parametrize("levels", ALL)
def test_they_start_with_the_most_noise(name: str, levels: NoiseLevels) -> None:
    assert schedule(name)(levels, 7)[0] == pytest.approx(levels.sigma_max)


@pytest.mark.parametrize("name", ["uniform", "normal", "karras", "exponential", "kl_optimal"])
@pytest.mark.parametrize("levels", ALL)
def test_these_pass_the_least_noise_before_the_end(name: str, levels: NoiseLevels) -> None:
    assert schedule(name)(levels, 7)[-2] == pytest.approx(levels.sigma_min)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [0, -3])
def test_no_steps_are_refused(name: str, steps: int) -> None:
    with pytest.raises(RequestError, match="1 or more"):
        schedule(name)(TRAINED, steps)


@pytest.mark.parametrize("name", ["simple", "ddim_uniform", "beta"])
def test_more_steps_than_trained_levels_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="1000 trained"):
        schedule(name)(TRAINED, 1001)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_names_its_source(name: str) -> None:
    assert "Source:" in (SCHEDULES[name].__doc__ or "")


def test_an_unknown_schedule_gets_the_closest_name() -> None:
    with pytest.raises(UnknownName) as error:
        schedule("kerras")
    assert "karras" in error.value.hint


def test_uniform_is_even_in_time() -> None:
    times = [TRAINED.t(sigma) for sigma in uniform(TRAINED, 4)[:-1]]
    assert times == pytest.approx([999, 666, 333, 0])


def test_normal_ends_by_itself_where_a_network_was_trained_without_noise() -> None:
    assert normal(TRAINED, 9) == uniform(TRAINED, 9)
    clean = ContinuousLevels(1e-7, 80)
    assert normal(clean, 9)[:-1] == pytest.approx(uniform(clean, 10)[:-2])


def test_sgm_uniform_leaves_out_the_least_noise() -> None:
    times = [TRAINED.t(sigma) for sigma in sgm_uniform(TRAINED, 3)[:-1]]
    assert times == pytest.approx([999, 666, 333])


def test_simple_counts_from_the_most_noise() -> None:
    assert simple(TRAINED, 4)[:-1] == tuple(TRAINED.sigmas[i] for i in (999, 749, 499, 249))


def test_ddim_uniform_counts_from_the_least_noise() -> None:
    assert ddim_uniform(TRAINED, 4)[:-1] == tuple(TRAINED.sigmas[i] for i in (751, 501, 251, 1))


def test_karras_is_even_in_the_root() -> None:
    roots = [sigma ** (1 / 7) for sigma in karras(TRAINED, 5)[:-1]]
    gaps = [high - low for high, low in itertools.pairwise(roots)]
    assert gaps == pytest.approx([gaps[0]] * 4)
    assert karras(TRAINED, 5, rho=1)[2] == pytest.approx((TRAINED.sigma_max + TRAINED.sigma_min) / 2)


def test_karras_ends_are_exact() -> None:
    assert karras_between(3.3, 0.7, 5)[::4] == [3.3, 0.7]
    assert karras_between(3.3, 0.7, 1) == [3.3]


def test_kl_optimal_is_even_in_the_angle() -> None:
    angles = [math.atan(sigma) for sigma in kl_optimal(TRAINED, 4)[:-1]]
    gaps = [high - low for high, low in itertools.pairwise(angles)]
    assert gaps == pytest.approx([gaps[0]] * 3)


def test_beta_picks_trained_levels_at_the_quantiles() -> None:
    assert set(beta(TRAINED, 20)[:-1]) <= set(TRAINED.sigmas)
    # for α = β = 1 quantiles are even
    assert beta(TRAINED, 3, alpha=1, beta=1)[:-1] == tuple(TRAINED.sigmas[i] for i in (999, 666, 333))
    # for α = β the quantiles lie symmetric around the middle
    places = [TRAINED.t(sigma) for sigma in beta(TRAINED, 10)[1:-1]]
    assert [p + q for p, q in zip(places, reversed(places), strict=True)] == pytest.approx([999] * 9, abs=1)


@pytest.mark.parametrize("table", ["sd1", "sdxl"])
def test_ten_aligned_steps_are_the_published_ones(table: str) -> None:
    assert align_your_steps(TRAINED, 10, table=table)[:-1] == pytest.approx(ALIGNED[table][:-1])


def test_twenty_aligned_steps_pass_through_the_ten() -> None:
    assert align_your_steps(TRAINED, 20)[::2] == pytest.approx(align_your_steps(TRAINED, 10))


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(UnknownName, match="sd3"):
        align_your_steps(TRAINED, 10, table="sd3")


def test_an_explicit_list_gets_its_zero() -> None:
    assert explicit([3, 2, 1]) == explicit([3, 2, 1, 0]) == (3.0, 2.0, 1.0, 0.0)


@pytest.mark.parametrize("sigmas", [[], [0.0], [1.0, 2.0], [2.0, 2.0], [1.0, -1.0], [math.inf, 1.0]])
def test_a_list_that_does_not_fall_is_refused(sigmas: list[float]) -> None:
    with pytest.raises(RequestError, match="fall"):
        explicit(sigmas)
