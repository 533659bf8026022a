import torch

from gesso.sampling.euler import euler
from gesso.sampling.ipndm import ADAMS_BASHFORTH, ipndm, plms
from tests.sampling.fakes import Forbidden, distance, last, mixture, references

FOUND = references()


def test_ipndm_walks_as_diffusers_does() -> None:
    sigmas = tuple(FOUND["df.ipndm.sigmas"].tolist())
    assert distance(last(ipndm(mixture, FOUND["x"], sigmas, Forbidden())), FOUND["df.ipndm"]) < 1e-12


def test_plms_walks_as_diffusers_does() -> None:
    sigmas = tuple(FOUND["df.plms.sigmas"].tolist())
    assert distance(last(plms(mixture, FOUND["x"], sigmas, Forbidden())), FOUND["df.plms"]) < 1e-12


def test_one_slope_alone_is_euler() -> None:
    sigmas = (9.0, 4.0, 1.0, 0.3, 0.0)
    one = last(ipndm(mixture, FOUND["x"], sigmas, Forbidden(), order=1))
    assert torch.allclose(one, last(euler(mixture, FOUND["x"], sigmas, Forbidden())))


def test_weights_extrapolate_polynomials_exactly() -> None:
    for weights in ADAMS_BASHFORTH:
        for power in range(len(weights)):
            mean = sum(weight * (-k) ** power for k, weight in enumerate(weights))
            assert abs(mean - 1 / (power + 1)) < 1e-12
