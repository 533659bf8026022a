import torch

from gesso.sampling.lcm import lcm, tcd
from gesso.sampling.levels import TrainedLevels
from tests.sampling.fakes import Forbidden, Replayed, consistency, distance, last, mixture, references

FOUND = references()
LEVELS = TrainedLevels.scaled_linear()


def test_lcm_walks_as_diffusers_does() -> None:
    sigmas = tuple(FOUND["df.lcm.sigmas"].tolist())
    walked = last(lcm(mixture, FOUND["x"], sigmas, Replayed(FOUND["noise"])))
    # the boundary factors that are left out are 1e-6 at the last step, t = 259
    assert distance(walked, FOUND["df.lcm"]) < 1e-6


def test_tcd_walks_as_diffusers_does() -> None:
    sigmas = tuple(FOUND["df.tcd.sigmas"].tolist())
    walked = last(tcd(mixture, FOUND["x"], sigmas, Replayed(FOUND["noise"]), eta=0.25))
    # diffusers' table there is in float32
    assert distance(walked, FOUND["df.tcd"]) < 1e-6


def test_tcd_all_the_way_down_is_lcm() -> None:
    sigmas, x, noise = (9.0, 4.0, 1.0, 0.0), FOUND["x"], FOUND["noise"]
    one = last(tcd(consistency, x, sigmas, Replayed(noise), eta=1.0))
    assert torch.allclose(one, last(lcm(consistency, x, sigmas, Replayed(noise))))


def test_tcd_lands_at_its_share_of_the_time() -> None:
    sigma, sigma_next, eta = LEVELS.sigma(900), LEVELS.sigma(600), 0.3
    x = torch.full((1, 1, 1, 1), 2.0, dtype=torch.float64)
    landed = last(tcd(lambda x, _: x * 0, x, (sigma, sigma_next), Replayed([x * 0]), eta=eta))
    assert torch.allclose(landed, x * (LEVELS.sigma(420) / sigma))


def test_tcd_without_eta_asks_for_no_noise() -> None:
    last(tcd(mixture, FOUND["x"], (9.0, 4.0, 0.01, 0.0), Forbidden(), eta=0.0))
