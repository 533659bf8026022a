"""Fills: what stands in a hole before anything is painted there."""

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = ["blurred", "extended", "neighbour"]

Numbers = NDArray[np.float64]
"""[h w c]."""

CONFIDENT = 4.0
"""A neighbourhood decides alone from one known pixel in so many on."""


def neighbour(pixels: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A picture with its hole filled by what surrounds it, softer the farther inside; the rest is untouched.

    Args:
        pixels: [h w c].
        hole: [h w].
    """
    filled = extended(pixels.astype(np.float64), hole)
    return np.where(hole[..., None], filled.round().clip(0, 255), pixels).astype(np.uint8)


def extended(values: Numbers, hole: NDArray[np.bool_]) -> Numbers:
    """Values known outside a hole, continued into it without a step at its edge.

    Averages over neighbourhoods of twice the size each time; the smallest that knows enough prevails. Where
    nothing is known at all, everything is 0.

    Source: the idea of Gortler et al. 1996, "The Lumigraph", section 3.4 (push-pull), with square windows at
    every pixel instead of a pyramid's cells, so that a mirrored picture is filled with the mirrored values.
    """
    known = np.where(hole, 0.0, 1.0)[..., None]
    seen = values * known
    filled = np.zeros_like(values) + seen.sum((0, 1)) / max(1.0, known.sum())
    for radius in reversed(_radii(hole.shape)):
        share = _window_sum(known, radius)
        average = _window_sum(seen, radius) / np.maximum(share, 1.0)
        trust = np.minimum(1.0, CONFIDENT * share / (2 * radius + 1) ** 2)
        filled = filled + trust * (average - filled)
    return np.where(hole[..., None], filled, values)


def blurred(pixels: NDArray[np.uint8], hole: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A picture with only its rough colours left in the hole."""
    sigma = max(hole.shape) / 32
    soft = scipy.ndimage.gaussian_filter(pixels.astype(np.float64), (sigma, sigma, 0.0), mode="nearest")
    return np.where(hole[..., None], soft.round().clip(0, 255), pixels).astype(np.uint8)


def _radii(shape: tuple[int, ...]) -> list[int]:
    """1, 2, 4 … as long as a window is smaller than the picture."""
    return [2**level for level in range(max(shape).bit_length())]


def _window_sum(values: Numbers, radius: int) -> Numbers:
    """The sum over the square window around every pixel, as far as it lies in the picture."""
    for axis in (0, 1):
        length = values.shape[axis]
        sums = np.cumsum(values, axis=axis)
        sums = np.concatenate([np.zeros_like(sums.take([0], axis)), sums], axis=axis)
        at = np.arange(length)
        high, low = np.minimum(at + radius + 1, length), np.maximum(at - radius, 0)
        values = sums.take(high, axis) - sums.take(low, axis)
    return values
