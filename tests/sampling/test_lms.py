import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gesso.sampling.lms import deis, lagrange, lms
from tests.sampling.fakes import Forbidden, distance, last, mixture, references

FOUND = references()


@pytest.mark.parametrize("suffix", ["", ".part"])
def test_lms_walks_as_k_diffusion_does(suffix: str) -> None:
    sigmas = tuple(FOUND["kd.sigmas"].tolist())
    walked = last(lms(mixture, FOUND["x"], sigmas[:-2] if suffix else sigmas, Forbidden()))
    # k-diffusion integrates the polynomial numerically, which is exact for its degree
    assert distance(walked, FOUND[f"kd.lms{suffix}"]) < 1e-12


@pytest.mark.parametrize("order", [2, 3])
def test_deis_walks_as_diffusers_does(order: int) -> None:
    sigmas = tuple(FOUND[f"df.deis.{order}.sigmas"].tolist())
    walked = last(deis(mixture, FOUND["x"], sigmas, Forbidden(), order=order))
    assert distance(walked, FOUND[f"df.deis.{order}"]) < 1e-12


@pytest.mark.parametrize("sampler", [lms, deis])
@given(power=st.integers(0, 3))
def test_slopes_that_are_polynomials_are_integrated_exactly(sampler: object, power: int) -> None:
    # denoisers whose slope is a power of σ, or of ln σ
    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        level = torch.tensor(sigma, dtype=torch.float64)
        return x - sigma * (level if sampler is lms else level.log()) ** power

    sigmas = (5.0, 4.0, 3.5, 2.0, 1.0, 0.3)
    x = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    walked = list(sampler(denoise, x, sigmas, Forbidden(), order=4))
    step = walked[-1].x - walked[-2].x
    taus = torch.linspace(1.0, 0.3, 20001, dtype=torch.float64)
    exact = torch.trapezoid((taus if sampler is lms else taus.log()) ** power, taus)
    assert step.item() == pytest.approx(exact.item(), rel=1e-6)


def test_lagrange_is_one_at_its_node_and_zero_at_the_others() -> None:
    nodes = [0.0, -1.0, -2.5, 1.0]
    values = [[sum(c * node**k for k, c in enumerate(basis)) for node in nodes] for basis in lagrange(nodes)]
    assert torch.allclose(torch.tensor(values), torch.eye(4), atol=1e-6)
