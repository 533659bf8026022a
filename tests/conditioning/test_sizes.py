import math

import pytest
import torch

from gesso.conditioning.sizes import Sizes, scalar_count, size_vector
from gesso.errors import TensorMismatch

SIZES = Sizes(original=(768, 1024), target=(512, 640), crop=(3, 5), aesthetic=2.5)


def wave(value: float) -> torch.Tensor:
    angles = [value * 10_000 ** (-index / 128) for index in range(128)]
    return torch.tensor([*map(math.cos, angles), *map(math.sin, angles)])


@pytest.mark.parametrize(
    ("width", "scalars"),
    [(2816, (768, 1024, 3, 5, 512, 640)), (2560, (768, 1024, 3, 5, 2.5)), (1280, ())],
)
def test_pooled_text_comes_first_then_each_size_in_trained_order(width: int, scalars: tuple[float, ...]):
    pooled = torch.randn(1, 1280)
    vector = size_vector(pooled, SIZES, width)
    assert vector.shape == (1, width)
    assert vector[:, :1280].equal(pooled)
    for index, value in enumerate(scalars):
        start = 1280 + 256 * index
        torch.testing.assert_close(vector[0, start : start + 256], wave(value), atol=2e-4, rtol=0)


def test_sizes_are_computed_in_full_precision_whatever_the_text_is_in():
    wide = size_vector(torch.zeros(1, 64), SIZES, 64 + 6 * 256)
    narrow = size_vector(torch.zeros(1, 64, dtype=torch.bfloat16), SIZES, 64 + 6 * 256)
    assert narrow.equal(wide.bfloat16())


@pytest.mark.parametrize(("width", "pooled"), [(2815, 1280), (1024, 1280)])
def test_widths_that_do_not_go_together_are_refused(width: int, pooled: int):
    with pytest.raises(TensorMismatch, match=f"{width} with pooled text of {pooled}"):
        scalar_count(width, pooled)


def test_an_unknown_number_of_sizes_is_refused():
    with pytest.raises(TensorMismatch, match="however: 4"):
        size_vector(torch.zeros(1, 64), SIZES, 64 + 4 * 256)
