import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gesso.generation.exemplar import SIDE, continued
from gesso.generation.fills import neighbour


def stripes(height: int, width: int, period: int = 8) -> NDArray[np.uint8]:
    """A pattern that a blur would lose."""
    rows, columns = np.indices((height, width))
    return np.where(((rows + columns) // (period // 2) % 2)[..., None], (200, 40, 90), (10, 160, 220)).astype(
        np.uint8
    )


def block(height: int, width: int, top: int, left: int, size: int) -> NDArray[np.bool_]:
    hole = np.zeros((height, width), np.bool_)
    hole[top : top + size, left : left + size] = True
    return hole


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_only_the_hole_is_touched_with_colours_there_are_and_always_alike(seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (24, 37, 3), dtype=np.uint8)
    hole = block(
        24, 37, int(random.integers(0, 20)), int(random.integers(0, 30)), int(random.integers(1, 20))
    )
    filled = continued(pixels, hole)
    assert np.array_equal(filled[~hole], pixels[~hole])
    assert np.array_equal(filled, continued(pixels, hole))
    assert np.array_equal(filled, continued(np.where(hole[..., None], 255 - pixels, pixels), hole))
    known = pixels[~hole]
    assert (filled[hole] >= known.min(0)).all()
    assert (filled[hole] <= known.max(0)).all()


def test_a_pattern_goes_on() -> None:
    """What surrounds a hole fills it with one colour; pieces continue its stripes."""
    pixels, hole = stripes(72, 72), block(72, 72, 28, 28, 14)
    off = [
        np.abs(
            fill(np.where(hole[..., None], 0, pixels).astype(np.uint8), hole)[hole].astype(int) - pixels[hole]
        )
        for fill in (continued, neighbour)
    ]
    assert off[0].mean() < 10
    assert off[1].mean() > 50


def test_a_large_picture_is_searched_small_and_copied_at_full_size() -> None:
    size = SIDE * 2
    pixels, hole = stripes(size, size, 64), block(size, size, 200, 200, 90)
    filled = continued(np.where(hole[..., None], 0, pixels).astype(np.uint8), hole)
    assert np.array_equal(filled[~hole], pixels[~hole])
    assert np.abs(filled[hole].astype(int) - pixels[hole]).mean() < 25


@pytest.mark.parametrize("shape", [(9, 9), (40, 40)])
def test_where_no_piece_is_known_the_surroundings_fill_the_hole(shape: tuple[int, int]) -> None:
    pixels, hole = stripes(*shape), np.ones(shape, np.bool_)
    hole[0, :3] = False
    assert np.array_equal(continued(pixels, hole), neighbour(pixels, hole))


def test_nothing_to_fill_is_nothing_done() -> None:
    pixels = stripes(16, 16)
    assert np.array_equal(continued(pixels, np.zeros((16, 16), np.bool_)), pixels)
