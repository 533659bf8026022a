import torch

from gesso.sampling.ddim import ddim, ddpm
from gesso.sampling.euler import euler
from tests.sampling.fakes import Forbidden, Replayed, distance, last, mixture, references

FOUND = references()


def test_ddim_walks_as_diffusers_does() -> None:
    sigmas = tuple(FOUND["df.ddim.sigmas"].tolist())
    walked = last(ddim(mixture, FOUND["x"], sigmas, Replayed(FOUND["noise"]), eta=0.7))
    assert distance(walked, FOUND["df.ddim"]) < 1e-12


def test_ddpm_walks_as_diffusers_does() -> None:
    sigmas = tuple(FOUND["df.ddpm.sigmas"].tolist())
    walked = last(ddpm(mixture, FOUND["x"], sigmas, Replayed(FOUND["noise"])))
    assert distance(walked, FOUND["df.ddpm"]) < 1e-12


def test_ddim_with_all_noise_fresh_is_ddpm_and_with_none_euler() -> None:
    sigmas, x, noise = (9.0, 4.0, 1.0, 0.3, 0.0), FOUND["x"], FOUND["noise"]
    one = last(ddim(mixture, x, sigmas, Replayed(noise), eta=1.0))
    assert torch.allclose(one, last(ddpm(mixture, x, sigmas, Replayed(noise))))
    none = last(ddim(mixture, x, sigmas, Forbidden()))
    assert torch.allclose(none, last(euler(mixture, x, sigmas, Forbidden())))
