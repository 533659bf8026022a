"""The noise has the spread it should have."""

import pytest
import torch

from gesso.training.noise import drawn, offset, perturbed, pyramid
from gesso.training.recipe import NoiseRules

LIKE = torch.zeros(8, 4, 16, 16)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_plain_noise_is_torch_s_own() -> None:
    assert torch.equal(drawn(LIKE, NoiseRules(), generator()), torch.randn(LIKE.shape, generator=generator()))


def test_an_offset_moves_every_channel_as_a_whole() -> None:
    moved = offset(LIKE, 0.5, generator())
    assert torch.equal(moved, moved[:, :, :1, :1].expand_as(moved))
    many = offset(torch.zeros(4000, 4, 1, 1), 0.5, generator())
    assert float(many.std()) == pytest.approx(0.5, rel=0.02)


def test_a_pyramid_keeps_unit_spread_and_ties_neighbours() -> None:
    noise = torch.randn(LIKE.shape, generator=generator())
    mixed = pyramid(noise, NoiseRules(pyramid=4, discount=0.6), generator())
    assert float(mixed.std()) == pytest.approx(1, rel=1e-5)

    def tied(x: torch.Tensor) -> float:
        return float((x[..., 1:] * x[..., :-1]).mean())

    assert tied(mixed) > tied(noise) + 0.1


def test_a_recipe_adds_what_it_names() -> None:
    plain = drawn(LIKE, NoiseRules(), generator())
    assert not torch.equal(drawn(LIKE, NoiseRules(offset=0.1), generator()), plain)
    assert not torch.equal(drawn(LIKE, NoiseRules(pyramid=2), generator()), plain)


def test_perturbed_noise_is_noisier_by_as_much_as_asked() -> None:
    noise = torch.randn(64, 4, 16, 16, generator=generator())
    assert perturbed(noise, 0.0, generator()) is noise
    assert float((perturbed(noise, 0.1, torch.Generator()) - noise).std()) == pytest.approx(0.1, rel=0.02)
