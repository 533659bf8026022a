"""Streams of bands give what the whole picture gives, whatever the bands' heights."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks.rows import ChannelMoments, Window, convolved, cut, doubled, owned, stacked, twinned

HEIGHTS = [(1,), (1, 1, 1), (5, 1, 2), (2, 7), (9, 4)]


def picture(rows: int) -> Tensor:
    return torch.randn(1, 4, rows, 5, generator=torch.Generator().manual_seed(rows))


def banded(heights: tuple[int, ...]) -> tuple[Tensor, Iterator[Tensor]]:
    whole = picture(sum(heights))
    return whole, iter(whole.split(list(heights), dim=2))


@pytest.mark.parametrize("heights", HEIGHTS)
@pytest.mark.parametrize("limit", [1, 200, 10**6])
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_convolution(heights: tuple[int, ...], limit: int, kernel: int) -> None:
    whole, bands = banded(heights)
    conv = nn.Conv2d(4, 6, kernel, padding=kernel // 2)
    with torch.no_grad():
        said = torch.cat(list(convolved(bands, Window.of(conv), whole.shape[2], limit)), dim=2)
        torch.testing.assert_close(said, conv(whole), rtol=0, atol=1e-6)


@pytest.mark.parametrize("heights", [(2,), (1, 1, 1), (5, 1, 2), (2, 7), (9, 4)])
def test_a_convolution_that_halves_with_zeros_at_the_far_edges_only(heights: tuple[int, ...]) -> None:
    whole, bands = banded(heights)
    conv = nn.Conv2d(4, 6, 3, stride=2)
    with torch.no_grad():
        said = torch.cat(list(convolved(bands, Window(conv, (0, 1), (0, 1)), whole.shape[2], 1)), dim=2)
        torch.testing.assert_close(said, conv(functional.pad(whole, (0, 1, 0, 1))), rtol=0, atol=1e-6)


@pytest.mark.parametrize("heights", HEIGHTS)
def test_doubling(heights: tuple[int, ...]) -> None:
    whole, bands = banded(heights)
    said = torch.cat(list(doubled(bands, 700)), dim=2)
    assert torch.equal(said, functional.interpolate(whole, scale_factor=2.0, mode="nearest"))


@pytest.mark.parametrize("heights", HEIGHTS)
def test_two_maps_stay_beside_each_other_though_one_is_late(heights: tuple[int, ...]) -> None:
    whole, bands = banded(heights)
    conv = nn.Conv2d(4, 2, 3, padding=1)
    with torch.no_grad():
        pairs = list(
            twinned(zip(bands), lambda each: convolved(each, Window.of(conv), whole.shape[2], 10**6))
        )
        assert torch.equal(torch.cat([first for first, _ in pairs], dim=2), whole)
        assert all(first.shape[2] == second.shape[2] for first, second in pairs)
        torch.testing.assert_close(torch.cat([pair[1] for pair in pairs], dim=2), conv(whole))


def test_bands_are_cut_to_the_limit_and_a_half_beyond() -> None:
    whole = picture(20)
    pieces = list(cut([whole], 4 * 80, 80))
    assert torch.equal(torch.cat(pieces, dim=2), whole)
    assert {piece.shape[2] for piece in pieces} == {4}
    assert [piece.shape[2] for piece in cut([picture(6)], 4 * 80, 80)] == [6]
    assert {piece.shape[2] for piece in cut([picture(9)], 1, 80)} == {1}


def test_a_part_of_a_tensor_lets_go_of_the_rest() -> None:
    whole = picture(9)
    part = owned(whole[:, :, 2:3])
    assert part.untyped_storage().nbytes() == part.nbytes
    assert torch.equal(part, whole[:, :, 2:3])
    assert owned(whole) is whole


@pytest.mark.parametrize("heights", HEIGHTS)
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_statistics_gathered_by_bands_normalise_as_the_whole(heights: tuple[int, ...], offset: float) -> None:
    whole, _ = banded(heights)
    whole = whole + offset
    norm = nn.GroupNorm(2, 4, eps=1e-6)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    moments = ChannelMoments().drained(zip(whole.split(list(heights), dim=2)))
    with torch.no_grad():
        exact = norm.double()(whole.double()).float()
        said = moments.normalise(norm.float())(whole)
    torch.testing.assert_close(said, exact, rtol=0, atol=1e-5 if offset == 0 else 2e-3)


def test_a_single_pixel_has_no_spread() -> None:
    moments = ChannelMoments()
    moments.add(torch.full((1, 3, 1, 1), 7.0))
    assert moments.mean.tolist() == [7.0] * 3
    assert moments.squares.tolist() == [0.0] * 3


@pytest.mark.parametrize("least", [1, 100, 10**6])
def test_stacking_joins_bands_until_they_are_large_enough(least: int) -> None:
    whole, bands = banded((5, 1, 2, 2, 7))
    said = list(stacked(zip(bands), least))
    assert torch.equal(torch.cat([band for (band,) in said], dim=2), whole)
    assert all(band.nbytes >= least for (band,) in said[:-1])
    assert (len(said) == 5) == (least == 1)


def test_a_stack_of_two_maps_is_as_high_as_the_smaller_needs() -> None:
    narrow, wide = torch.randn(1, 2, 8, 5), torch.randn(1, 6, 8, 5)
    said = list(stacked(zip(narrow.split(1, dim=2), wide.split(1, dim=2), strict=True), narrow.nbytes // 2))
    assert [tuple(band.shape[2] for band in rows) for rows in said] == [(4, 4), (4, 4)]
