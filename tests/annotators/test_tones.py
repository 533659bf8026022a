"""Tones are kept, lost and moved as each annotator says."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.annotators.tones import blur, colours, invert, normal, shuffle, threshold, tile
from tests.references.canny_cases import picture


def test_invert_is_its_own_inverse() -> None:
    assert np.array_equal(invert(invert(picture())), picture())


def test_blur_and_tile_keep_the_mean_and_lose_contrast() -> None:
    for found in (blur(picture(), 3.0), tile(picture(), 4.0)):
        assert found.shape == picture().shape
        assert abs(float(found.mean()) - float(picture().mean())) < 3
        assert found.std() < picture().std()
    assert np.array_equal(tile(picture()), picture())


def test_colours_are_squares() -> None:
    found = colours(np.random.default_rng(1).integers(0, 255, (128, 64, 3), np.uint8), 32)
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= 8
    assert (found[:32, :32] == found[0, 0]).all()


@given(st.integers(0, 255))
@settings(max_examples=20)
def test_threshold_leaves_black_and_white(at: int) -> None:
    page = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert np.array_equal(threshold(page, at)[0], np.where(np.arange(256) > at, 255, 0))


def test_a_flat_depth_faces_you_and_a_slope_turns() -> None:
    flat = normal(np.full((16, 16, 3), 200, np.uint8))
    assert (flat == (128, 128, 255)).all()
    slope = np.repeat(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], 32, axis=0).repeat(3, axis=2)
    # nearer to the right: the surface faces left
    assert normal(slope)[16, 16, 0] < 100
    assert (normal(slope, background=0.9)[:, 0] == (128, 128, 255)).all()
    assert normal(np.zeros((1, 1, 3), np.uint8)).shape == (1, 1, 3)


def test_shuffle_moves_colours_by_its_seed_and_invents_none() -> None:
    first = shuffle(picture(), seed=1, grain=16)
    assert np.array_equal(first, shuffle(picture(), seed=1, grain=16))
    assert not np.array_equal(first, shuffle(picture(), seed=2, grain=16))
    assert first.min() >= picture().min()
    assert first.max() <= picture().max()
