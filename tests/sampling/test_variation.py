import itertools

import pytest
import torch

from gesso.sampling.variation import centred, slerp

ONE, OTHER = torch.randn(2, 1, 4, 16, 16, generator=torch.Generator().manual_seed(1))


def test_both_ends_are_the_seeds_own_noise_to_the_bit() -> None:
    assert torch.equal(slerp(ONE, OTHER, 0.0), ONE)
    assert torch.equal(slerp(ONE, OTHER, 1.0), OTHER)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_on_the_way_noise_stays_as_strong(share: float) -> None:
    found = slerp(ONE, OTHER, share)
    assert found.std().item() == pytest.approx(1.0, rel=0.05)
    torch.testing.assert_close(found, slerp(OTHER, ONE, 1 - share))


def test_the_way_is_an_arc_of_even_steps() -> None:
    points = [slerp(ONE, OTHER, share).double().flatten() for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    units = [point / point.norm() for point in points]
    angles = [torch.arccos(a @ b) for a, b in itertools.pairwise(units)]
    torch.testing.assert_close(torch.stack(angles), angles[0].expand(4), rtol=0.06, atol=0)


def test_between_the_same_there_is_nothing_else() -> None:
    torch.testing.assert_close(slerp(ONE, ONE, 0.3), ONE)


@pytest.mark.parametrize(("inner", "outer"), [((4, 6), (8, 8)), ((8, 8), (4, 6)), ((4, 8), (8, 4))])
def test_noise_lies_in_the_middle_of_another(inner: tuple[int, int], outer: tuple[int, int]) -> None:
    small, large = torch.ones(1, 4, *inner), torch.zeros(1, 4, *outer)
    found = centred(small, large)
    assert found.shape == large.shape
    assert found.sum() == 4 * min(inner[0], outer[0]) * min(inner[1], outer[1])
    torch.testing.assert_close(found, found.flip(2, 3))
    assert large.sum() == 0
