import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gesso.generation.canvas import Box, Growth
from gesso.generation.masks import bounds, edge, opacity, shaped
from gesso.request import Mask

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, *, grey: bool = True) -> NDArray[np.uint8]:
    """Some rectangles, grey or white."""
    random = np.random.default_rng(seed)
    mask = np.zeros((40, 56), np.uint8)
    for _ in range(3):
        top, left = random.integers(0, 36), random.integers(0, 52)
        value = random.integers(1, 256) if grey else 255
        mask[top : top + random.integers(1, 12), left : left + random.integers(1, 12)] = value
    return mask


@given(seed=SEEDS, grow=st.integers(-6, 6), blur=st.floats(0, 6), feather=st.integers(0, 12))
def test_a_mirrored_mask_is_shaped_alike(seed: int, grow: int, blur: float, feather: int) -> None:
    asked = Mask(grow=grow, blur=blur)
    mask = shaped(drawn(seed), asked)
    for turn in (np.fliplr, np.flipud, np.transpose):
        assert np.array_equal(shaped(turn(drawn(seed)), asked), turn(mask))
        assert np.array_equal(
            opacity(turn(mask), "strength", feather), turn(opacity(mask, "strength", feather))
        )


@given(seed=SEEDS, soft=st.sampled_from(["strength", "blend"]), feather=st.integers(0, 12))
def test_only_what_the_mask_paints_is_shown(seed: int, soft: str, feather: int) -> None:
    mask = drawn(seed)
    shown = opacity(mask, soft, feather)
    assert np.array_equal(shown > 0, mask > 0)
    assert shown.max() <= 1


def test_a_blend_shows_as_much_as_the_mask_says() -> None:
    mask = np.array([[0, 51, 255]], np.uint8)
    assert opacity(mask, "blend", 0).tolist() == [[0.0, pytest.approx(0.2), 1.0]]
    assert opacity(mask, "strength", 0)[0, 1] == pytest.approx(0.8)


def test_a_feather_fades_inwards_and_not_from_the_pictures_edge() -> None:
    mask = np.zeros((1, 10), np.uint8)
    mask[:, 4:] = 255
    shares = [0.0] * 4 + [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert opacity(mask, "strength", 3)[0].tolist() == pytest.approx(shares)
    assert opacity(np.full((4, 4), 255, np.uint8), "strength", 3).min() == 1


@given(seed=SEEDS, by=st.integers(1, 8))
def test_growing_and_shrinking_are_each_others_mirror_image(seed: int, by: int) -> None:
    mask = drawn(seed)
    grown = shaped(mask, Mask(grow=by))
    assert (grown >= mask).all()
    assert np.array_equal(255 - shaped(255 - mask, Mask(grow=-by)), grown)


def test_a_blur_softens_to_both_sides() -> None:
    mask = np.zeros((9, 60), np.uint8)
    mask[:, 30:] = 255
    soft = shaped(mask, Mask(blur=3))[4]
    assert (np.diff(soft.astype(int)) >= 0).all()
    assert 0 < soft[29] < soft[30] < 255
    assert (soft[0], soft[-1]) == (0, 255)


@given(seed=SEEDS)
def test_bounds_hold_all_that_is_painted_and_no_more(seed: int) -> None:
    mask = drawn(seed)
    box = bounds(mask)
    assert box is not None
    inside = mask[box.area]
    assert inside.sum() == mask.sum()
    assert all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


def test_an_empty_mask_has_no_bounds() -> None:
    assert bounds(np.zeros((3, 4), np.uint8)) is None


@given(
    left=st.integers(0, 5), up=st.integers(0, 5), right=st.integers(0, 5), down=st.integers(0, 5),
    overlap=st.integers(0, 20),
)  # fmt: skip
def test_an_edge_is_what_was_added_and_its_overlap(
    left: int, up: int, right: int, down: int, overlap: int
) -> None:
    growth = Growth(left, up, right, down)
    canvas = growth.grown((12, 8))
    mask = edge(canvas, growth, overlap)
    rows, columns = np.indices(mask.shape)
    inside = [
        (columns >= left + overlap) | (left == 0),
        (rows >= up + overlap) | (up == 0),
        (columns < canvas[0] - right - overlap) | (right == 0),
        (rows < canvas[1] - down - overlap) | (down == 0),
    ]
    assert np.array_equal(mask == 0, np.logical_and.reduce(inside))


def test_a_boxes_area_is_rows_before_columns() -> None:
    assert np.zeros((10, 20))[Box(3, 1, 9, 4).area].shape == (3, 6)
