import pytest

from gesso.sampling.dpm import (
    dpm_2,
    dpm_2_ancestral,
    dpmpp_2m,
    dpmpp_2m_sde,
    dpmpp_2s_ancestral,
    dpmpp_3m_sde,
    dpmpp_sde,
)
from gesso.sampling.noise import SeededNoise
from gesso.sampling.process import Churn
from tests.sampling.fakes import Forbidden, Replayed, distance, last, mixture, references

CHURN = Churn(s_churn=2.0, s_noise=1.01)
FOUND = references()
SIGMAS = tuple(FOUND["kd.sigmas"].tolist())
WHOLE_AND_PART = pytest.mark.parametrize(("suffix", "sigmas"), [("", SIGMAS), (".part", SIGMAS[:-2])])


@WHOLE_AND_PART
def test_they_walk_as_k_diffusions_do(suffix: str, sigmas: tuple[float, ...]) -> None:
    x, noise = FOUND["x"], FOUND["noise"]
    walks = {
        "dpm_2": dpm_2(mixture, x, sigmas, Forbidden()),
        "dpm_2.churn": dpm_2(mixture, x, sigmas, Replayed(noise), churn=CHURN),
        "dpm_2_ancestral": dpm_2_ancestral(mixture, x, sigmas, Replayed(noise), eta=0.7),
        "dpmpp_2s_ancestral": dpmpp_2s_ancestral(mixture, x, sigmas, Replayed(noise), s_noise=0.9),
        "dpmpp_2m": dpmpp_2m(mixture, x, sigmas, Forbidden()),
    }
    # the same formulas in float64, so that only the order of operations differs
    assert {
        key for key, walk in walks.items() if distance(last(walk), FOUND[f"kd.{key}{suffix}"]) > 1e-12
    } == set()


@WHOLE_AND_PART
def test_the_stochastic_ones_follow_the_same_brownian_path(suffix: str, sigmas: tuple[float, ...]) -> None:
    x = FOUND["x"]
    # one source for the whole run, also where only a part is walked; k-diffusion was given these seeds
    noise = SeededNoise((7, 8), (2, 3, 3), SIGMAS)
    walks = {
        "dpmpp_sde": dpmpp_sde(mixture, x, sigmas, noise),
        "dpmpp_2m_sde": dpmpp_2m_sde(mixture, x, sigmas, noise),
        "dpmpp_2m_sde.heun": dpmpp_2m_sde(mixture, x, sigmas, noise, eta=0.6, solver_type="heun"),
        "dpmpp_3m_sde": dpmpp_3m_sde(mixture, x, sigmas, noise),
    }
    # the path is in float32 on both sides, added up in another order
    assert {
        key for key, walk in walks.items() if distance(last(walk), FOUND[f"kd.{key}{suffix}"]) > 5e-6
    } == set()


def test_without_eta_the_stochastic_ones_ask_for_no_noise() -> None:
    for walk in (dpmpp_sde, dpmpp_2m_sde, dpmpp_3m_sde, dpm_2_ancestral, dpmpp_2s_ancestral):
        last(walk(mixture, FOUND["x"], SIGMAS, Forbidden(), eta=0.0))


def test_dpmpp_2m_sde_without_eta_is_dpmpp_2m() -> None:
    one = last(dpmpp_2m_sde(mixture, FOUND["x"], SIGMAS, Forbidden(), eta=0.0))
    assert distance(one, last(dpmpp_2m(mixture, FOUND["x"], SIGMAS, Forbidden()))) < 1e-12
