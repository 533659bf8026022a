import pytest
import torch
from torch import Tensor

from gesso.guidance.masking import held
from gesso.sampling.noise import SeededNoise
from gesso.sampling.samplers import SAMPLERS, sampler
from tests.sampling.fakes import gaussian, last

SHAPE = (4, 6, 8)
SIGMAS = (14.6, 7.0, 3.0, 1.2, 0.4, 0.0)


def tensors() -> tuple[Tensor, Tensor]:
    """A source's latents, and a mask that paints its right half."""
    kept = torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(1))
    shares = torch.zeros(1, 1, 6, 8)
    shares[..., 4:] = 1
    return kept, shares


def walked(name: str, shares: Tensor, kept: Tensor) -> Tensor:
    noise = SeededNoise((3,), SHAPE, SIGMAS)
    x = kept + noise.draw() * SIGMAS[0]
    return last(sampler(name)(held(gaussian, kept, shares, SIGMAS), x, SIGMAS, noise))


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_ends_with_what_was_held(name: str) -> None:
    kept, shares = tensors()
    end = walked(name, shares, kept)
    assert torch.allclose(end[..., :4], kept[..., :4], atol=1e-4)
    assert not torch.isclose(end[..., 4:], kept[..., 4:], atol=1e-2).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_with_nothing_held_every_sampler_walks_as_without_a_mask(name: str) -> None:
    kept, shares = tensors()
    noise = SeededNoise((3,), SHAPE, SIGMAS)
    free = last(sampler(name)(gaussian, kept + noise.draw() * SIGMAS[0], SIGMAS, noise))
    assert torch.equal(walked(name, torch.ones_like(shares), kept), free)


def test_what_is_held_carries_the_samplers_own_noise() -> None:
    kept, shares = tensors()
    noise = SeededNoise((3,), SHAPE, SIGMAS)
    first = noise.draw()
    for step in sampler("euler")(
        held(gaussian, kept, shares, SIGMAS), kept + first * SIGMAS[0], SIGMAS, noise
    ):
        expected = kept + first * step.sigma
        assert torch.allclose(step.x[..., :4], expected[..., :4], atol=1e-4)


def test_a_share_is_free_for_that_share_of_the_steps() -> None:
    shares = torch.tensor([0.0, 0.1, 0.2, 0.5, 0.6, 0.8, 0.99, 1.0]).view(1, 1, 1, 8)
    freed = torch.zeros(8)
    denoise = held(lambda x, _: torch.ones_like(x), torch.zeros(1, 1, 1, 8), shares, SIGMAS)
    for sigma in SIGMAS[:-1]:
        freed += denoise(torch.zeros(1, 1, 1, 8), sigma)[0, 0, 0]
    assert freed.tolist() == [0, 0, 1, 2, 3, 4, 4, 5]


def test_levels_between_count_to_the_step_they_lie_in() -> None:
    shares = torch.tensor([0.4, 0.6, 0.8]).view(1, 1, 1, 3)
    denoise = held(lambda x, _: torch.ones_like(x), torch.zeros(1, 1, 1, 3), shares, SIGMAS)

    def free(sigma: float) -> list[float]:
        return denoise(torch.zeros(1, 1, 1, 3), sigma)[0, 0, 0].tolist()

    assert free(20.0) == free(14.6) == [0, 0, 0]
    assert free(5.0) == free(7.0) == [0, 0, 1]
    assert free(2.0) == [0, 1, 1]
    assert free(1.2) == [1, 1, 1]
