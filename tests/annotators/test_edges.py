"""Edges are where OpenCV finds them, and every drawing is white on black where there is something to draw."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from gesso.annotators.edges import canny, lineart, scribble, softedge
from tests.references.canny_cases import THRESHOLDS, picture

SAID = load_file(Path(__file__).parents[1] / "references" / "canny.safetensors")
DRAWN = (canny, lineart, scribble, softedge)


@pytest.mark.parametrize(("low", "high"), THRESHOLDS[:3])
def test_canny_is_opencvs_to_the_pixel(low: int, high: int) -> None:
    wanted = SAID[f"{low} {high}"]
    assert wanted.any()
    assert np.array_equal(canny(picture(), low, high), wanted)


@pytest.mark.parametrize("draw", DRAWN)
def test_a_plain_picture_has_nothing_to_draw(draw: Callable[[np.ndarray], np.ndarray]) -> None:
    assert not draw(np.full((20, 30, 3), 90, np.uint8)).any()


@pytest.mark.parametrize("draw", DRAWN)
def test_a_dark_line_is_drawn_where_it_is(draw: Callable[[np.ndarray], np.ndarray]) -> None:
    page = np.full((64, 48, 3), 255, np.uint8)
    page[:, 23:26] = 0
    found = draw(page)
    assert (found.shape, found.dtype) == ((64, 48), np.uint8)
    assert found[:, 18:31].any()
    assert found[:, 18:31].max() > found[:, :6].max()
    turned = draw(np.ascontiguousarray(page.swapaxes(0, 1)))
    assert np.abs(turned.T.astype(int) - found).mean() < 8
