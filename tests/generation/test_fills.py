import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gesso.generation.fills import blurred, extended, neighbour

SEEDS = st.integers(0, 2**32 - 1)


def scene(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A random picture and a hole in it that leaves something known."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (24, 37, 3), dtype=np.uint8)
    hole = np.zeros((24, 37), np.bool_)
    top, left = random.integers(0, 20), random.integers(0, 30)
    hole[top : top + random.integers(1, 24), left : left + random.integers(1, 36)] = True
    hole[0, 0] = False
    return pixels, hole


@given(seed=SEEDS)
def test_fills_touch_only_the_hole(seed: int) -> None:
    pixels, hole = scene(seed)
    for fill in (neighbour, blurred):
        assert np.array_equal(fill(pixels, hole)[~hole], pixels[~hole])


@given(seed=SEEDS)
def test_a_mirrored_picture_is_filled_alike(seed: int) -> None:
    pixels, hole = scene(seed)
    for fill in (neighbour, blurred):
        filled = fill(pixels, hole)
        assert np.array_equal(fill(np.fliplr(pixels), np.fliplr(hole)), np.fliplr(filled))
        assert np.array_equal(fill(np.flipud(pixels), np.flipud(hole)), np.flipud(filled))


@given(seed=SEEDS)
def test_what_was_in_the_hole_does_not_matter_to_its_neighbours(seed: int) -> None:
    pixels, hole = scene(seed)
    other = np.where(hole[..., None], 255 - pixels, pixels)
    assert np.array_equal(neighbour(pixels, hole), neighbour(other, hole))


@given(seed=SEEDS)
def test_a_fill_stays_within_what_surrounds_it(seed: int) -> None:
    pixels, hole = scene(seed)
    filled = neighbour(pixels, hole)
    for channel in range(3):
        known = pixels[~hole][:, channel]
        assert known.min() <= filled[hole][:, channel].min()
        assert filled[hole][:, channel].max() <= known.max()


def test_a_plain_picture_is_filled_with_its_colour() -> None:
    pixels = np.full((50, 80, 3), 77, np.uint8)
    hole = np.ones((50, 80), np.bool_)
    hole[:, :3] = False
    assert (neighbour(np.where(hole[..., None], 0, pixels).astype(np.uint8), hole) == 77).all()


def test_a_fill_meets_the_picture_without_a_step() -> None:
    ramp = np.repeat(np.linspace(20, 200, 64)[:, None, None], 64, axis=1)
    hole = np.zeros((64, 64), np.bool_)
    hole[20:44, 20:44] = True
    filled = extended(ramp, hole)
    assert abs(filled[20:44, 20] - filled[20:44, 19]).max() < 8
    assert filled[22, 32] < filled[32, 32] < filled[41, 32]


def test_nothing_known_is_filled_with_nothing() -> None:
    assert not extended(np.ones((5, 6, 1)), np.ones((5, 6), np.bool_)).any()
