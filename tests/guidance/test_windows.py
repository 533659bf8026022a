import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning, Window
from gesso.guidance.windows import Windowed, spans

COND = Conditioning(torch.zeros(1, 2, 3), None, torch.arange(80.0).reshape(1, 1, 8, 10))


@given(length=st.integers(8, 300), window=st.integers(8, 64), overlap=st.integers(1, 7))
def test_windows_cover_all_and_share_at_least_the_overlap(length: int, window: int, overlap: int) -> None:
    found = spans(length, window, overlap)
    assert (found[0].start, found[-1].stop) == (0, length)
    assert all(each.stop - each.start == min(window, length) for each in found)
    assert all(one.stop - two.start >= overlap for one, two in itertools.pairwise(found))


def test_one_window_over_everything_asks_once_for_the_whole() -> None:
    asked: list[Tensor] = []

    def estimator(x: Tensor, sigma: float, cond: Conditioning) -> Tensor:
        asked.append(x)
        return x * sigma

    x = torch.randn(1, 4, 8, 10)
    assert torch.equal(Windowed(estimator, (8, 16), 2)(x, 2.0, COND), x * 2)
    assert asked[0] is x
    assert len(asked) == 1


@pytest.mark.parametrize("size", [(4, 4), (8, 6), (5, 16)])
def test_estimates_of_single_places_stay_what_they_are(size: tuple[int, int]) -> None:
    x = torch.randn(1, 4, 8, 10, dtype=torch.float64)

    def estimator(part: Tensor, sigma: float, cond: Conditioning) -> Tensor:
        assert cond.concat is not None
        return part * sigma + cond.concat

    assert COND.concat is not None
    torch.testing.assert_close(Windowed(estimator, size, 2)(x, 2.0, COND), x * 2 + COND.concat)


def test_every_window_is_told_where_it_is() -> None:
    x = torch.randn(1, 4, 8, 10)
    told: list[Window | None] = []

    def estimator(part: Tensor, sigma: float, cond: Conditioning) -> Tensor:
        told.append(cond.window)
        assert cond.window is not None
        assert torch.equal(part, x[(..., *cond.window)])
        return part

    Windowed(estimator, (4, 10), 2)(x, 2.0, COND)
    assert told == [(slice(start, start + 4), slice(0, 10)) for start in (0, 2, 4)]
