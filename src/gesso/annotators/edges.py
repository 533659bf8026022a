"""Annotators that draw a picture's edges, white on black."""

from typing import Any, cast

import numpy as np
import scipy
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

__all__ = ["canny", "lineart", "scribble", "softedge"]

Picture = UInt8[np.ndarray, "h w 3"]
Drawing = UInt8[np.ndarray, "h w"]

ACROSS = 0.41421356237309503
"""tan 22.5°: a slope flatter than this, or steeper than its inverse, is along an axis."""


def canny(picture: Picture, low: int = 100, high: int = 200) -> Drawing:
    """Thin edges: the crests of the slope that are steep, or hang together with steep ones.

    Args:
        picture: RGB.
        low: slope from which a crest may be an edge.
        high: slope from which it is one by itself.

    Source: Canny 1986, "A Computational Approach to Edge Detection"; slope as |x| + |y| of Sobel's 3 x 3
    operator in the channel where it is largest, as OpenCV's Canny has it.
    """
    x, y = _slopes(picture)
    size = np.abs(x) + np.abs(y)
    crest = _crests(x, y, size) & (size > low)
    parts = np.asarray(cast(tuple[Any, int], scipy.ndimage.label(crest, np.ones((3, 3))))[0])
    found = np.unique(parts[crest & (size > high)])
    return np.where(np.isin(parts, found[found > 0]), 255, 0).astype(np.uint8)


def _slopes(picture: Picture) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    wide = picture.astype(np.int64)
    x, y = _sobel(wide, 1), _sobel(wide, 0)
    steepest = np.argmax(np.abs(x) + np.abs(y), axis=2)[..., None]
    return np.take_along_axis(x, steepest, 2)[..., 0], np.take_along_axis(y, steepest, 2)[..., 0]


def _sobel(numbers: NDArray[Any], axis: int) -> NDArray[Any]:
    """The slope along rows (1) or columns (0), of each channel by itself."""
    along = scipy.ndimage.correlate1d(numbers, [-1, 0, 1], axis, mode="nearest")
    return scipy.ndimage.correlate1d(along, [1, 2, 1], 1 - axis, mode="nearest")


def _crests(x: NDArray[np.int64], y: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where the slope is larger than on both sides of it."""
    around = np.pad(size, 1)

    def beside(down: int, right: int) -> NDArray[np.int64]:
        return around[1 + down : 1 + down + size.shape[0], 1 + right : 1 + right + size.shape[1]]

    level = np.abs(y) < ACROSS * np.abs(x)
    upright = np.abs(y) > (ACROSS + 2.0) * np.abs(x)
    falling = (x < 0) ^ (y < 0)
    crest = np.where(
        falling,
        (size > beside(-1, 1)) & (size > beside(1, -1)),
        (size > beside(-1, -1)) & (size > beside(1, 1)),
    )
    crest = np.where(upright, (size > beside(-1, 0)) & (size >= beside(1, 0)), crest)
    return np.where(level, (size > beside(0, -1)) & (size >= beside(0, 1)), crest)


def _blurred(picture: Picture, sigma: float) -> Float[np.ndarray, "h w 3"]:
    return scipy.ndimage.gaussian_filter(picture.astype(np.float64), (sigma, sigma, 0), mode="nearest")


def lineart(picture: Picture, sigma: float = 6.0) -> Drawing:
    """Lines darker than what surrounds them, as strong as most of them are.

    Args:
        picture: RGB.
        sigma: standard deviation of what surrounds a pixel, pixels.

    Source: sd-webui-controlnet's lineart_standard.
    """
    darker = (_blurred(picture, sigma) - picture).min(axis=2).clip(0, 255)
    lines = darker[darker > 8]
    usual = max(16.0, float(np.median(lines)) if lines.size else 0.0)
    return (darker / usual * 127).clip(0, 255).astype(np.uint8)


def scribble(picture: Picture, threshold: int = 32) -> Drawing:
    """Bold strokes where fine detail is darker than its surroundings.

    Args:
        picture: RGB.
        threshold: how much darker, 0…255; higher draws less.

    Source: Winnemöller et al. 2012, "XDoG", with the sizes of sd-webui-controlnet's scribble_xdog.
    """
    darker = (_blurred(picture, 5.0) - _blurred(picture, 0.5)).min(axis=2).clip(0, 255)
    return np.where(2 * darker > threshold, 255, 0).astype(np.uint8)


def softedge(picture: Picture, sigma: float = 1.0) -> Drawing:
    """Edges as grey as they are steep.

    Args:
        picture: RGB.
        sigma: standard deviation of a blur before, pixels.
    """
    blurred = _blurred(picture, sigma)
    slope = np.hypot(_sobel(blurred, 1), _sobel(blurred, 0)).max(axis=2)
    steep = float(np.quantile(slope, 0.98))
    return (slope / max(steep, 1.0) * 255).clip(0, 255).astype(np.uint8)
