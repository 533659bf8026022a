import pytest
import torch

from gesso.sampling.euler import euler, euler_ancestral, heun
from gesso.sampling.process import Churn
from tests.sampling.fakes import Forbidden, Replayed, distance, gaussian, last, mixture, references

CHURN = Churn(s_churn=2.0, s_noise=1.01)
FOUND = references()
SIGMAS = tuple(FOUND["kd.sigmas"].tolist())


@pytest.mark.parametrize(("suffix", "sigmas"), [("", SIGMAS), (".part", SIGMAS[:-2])])
def test_they_walk_as_k_diffusions_do(suffix: str, sigmas: tuple[float, ...]) -> None:
    x, noise = FOUND["x"], FOUND["noise"]
    walks = {
        "euler": euler(mixture, x, sigmas, Forbidden()),
        "euler.churn": euler(mixture, x, sigmas, Replayed(noise), churn=CHURN),
        "heun": heun(mixture, x, sigmas, Forbidden()),
        "heun.churn": heun(mixture, x, sigmas, Replayed(noise), churn=CHURN),
        "euler_ancestral": euler_ancestral(mixture, x, sigmas, Replayed(noise)),
    }
    # the same formulas in float64, so that only the order of operations differs
    assert {
        key for key, walk in walks.items() if distance(last(walk), FOUND[f"kd.{key}{suffix}"]) > 1e-12
    } == set()


def test_heun_looks_at_both_ends_of_a_step() -> None:
    seen: list[float] = []

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        seen.append(sigma)
        return gaussian(x, sigma)

    last(heun(denoise, FOUND["x"], (3.0, 2.0, 1.0, 0.0), Forbidden()))
    assert seen == [3.0, 2.0, 2.0, 1.0, 1.0]


def test_ancestral_without_eta_is_euler() -> None:
    one, other = (
        last(euler_ancestral(mixture, FOUND["x"], SIGMAS, Forbidden(), eta=0.0)),
        last(euler(mixture, FOUND["x"], SIGMAS, Forbidden())),
    )
    assert torch.equal(one, other)
