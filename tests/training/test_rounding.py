"""Rounding by chance: to one of the two neighbours, and right on average."""

import torch

from gesso.training.rounding import DRAWN, rounded


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_goes_to_a_neighbour_and_the_mean_is_kept() -> None:
    wide = torch.full((4, DRAWN // 2), 1.0 + 2.0**-9)  # a quarter of the way from 1 to 1 + 2^-7
    found = rounded(wide, draws())
    assert found.dtype is torch.bfloat16
    assert found.shape == wide.shape
    assert set(found.float().unique().tolist()) == {1.0, 1.0 + 2.0**-7}
    assert abs(float(found.double().mean()) - (1.0 + 2.0**-9)) < 2e-5
    minus = rounded(-wide, draws())
    assert abs(float(minus.double().mean()) + (1.0 + 2.0**-9)) < 2e-5


def test_what_bfloat16_can_say_stays() -> None:
    exact = torch.randn(1000, generator=draws(3)).to(torch.bfloat16)
    assert torch.equal(rounded(exact.float(), draws()), exact)


def test_the_generator_decides() -> None:
    wide = torch.randn(3, 5, 7, generator=draws(1))
    assert torch.equal(rounded(wide, draws(2)), rounded(wide, draws(2)))
    assert not torch.equal(rounded(wide, draws(2)), rounded(wide, draws(4)))


def test_a_strided_tensor_keeps_its_places() -> None:
    wide = torch.randn(2, 3, 4, 4, generator=draws(1)).to(memory_format=torch.channels_last)
    found = rounded(wide, draws())
    assert float((found.float() - wide).abs().max()) < float(wide.abs().max()) * 2**-7
