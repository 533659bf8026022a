"""The composite: a painting over the picture it was made for, whose kept pixels stay to the byte."""

from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from gesso.generation.fills import extended

__all__ = ["composed", "matched"]

Picture = NDArray[np.uint8]
"""[h w 3], or [h w 4] with transparency."""
Shares = NDArray[np.float32]
"""[h w], 0…1."""

RING = 16
"""Pixels around a mask whose colours say how a painting differs from what it is laid over."""
SPREAD = (0.8, 1.25)
"""How much a painting's contrast may be changed: more would show as a patch of its own."""


def composed(kept: Picture, painted: Picture, opacity: Shares) -> Picture:
    """A painting over a picture; where opacity is 0, the picture's own bytes.

    Args:
        painted: [h w 3].
        opacity: how much of each pixel is the painting.
    """
    share = opacity[..., None].astype(np.float64)
    above = _with_alpha(painted) if kept.shape[-1] == 4 else painted
    mixed = (kept + share * (above.astype(np.float64) - kept)).round().astype(np.uint8)
    return np.where(share == 0, kept, mixed)


def matched(
    painted: Picture, kept: Picture, opacity: Shares, how: Literal["smooth", "ring", "none"]
) -> Picture:
    """A painting with its colours fitted to the picture around it.

    The painting shows what is kept as well, as the model renders it. How that differs from the picture itself
    tells what to correct: along the whole seam, fading smoothly inwards, or by mean and spread.

    Args:
        painted: [h w 3].
        kept: [h w 3].
        opacity: 0 where the picture is kept.

    Source: smooth: Pérez et al. 2003, "Poisson image editing", eq. 2, whose membrane is approximated;
    ring: Reinhard et al. 2001, "Color transfer between images", eqs. 10 and 11, in the picture's own colours.
    """
    inside = opacity > 0
    if how == "none" or inside.all() or not inside.any():
        return painted
    fit = _smooth if how == "smooth" else _by_ring
    return (
        fit(painted.astype(np.float64), kept.astype(np.float64), inside).round().clip(0, 255).astype(np.uint8)
    )


def _smooth(
    painted: NDArray[np.float64], kept: NDArray[np.float64], inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    return painted + extended(kept - painted, inside)


def _by_ring(
    painted: NDArray[np.float64], kept: NDArray[np.float64], inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    near = scipy.ndimage.maximum_filter(inside.astype(np.uint8), size=2 * RING + 1, mode="nearest")
    ring = np.logical_and(near, ~inside)
    ours, theirs = painted[ring], kept[ring]
    spread = (theirs.std(axis=0) + 1.0) / (ours.std(axis=0) + 1.0)
    return (painted - ours.mean(axis=0)) * spread.clip(*SPREAD) + theirs.mean(axis=0)


def _with_alpha(painted: Picture) -> Picture:
    """An opaque painting with transparency."""
    return np.concatenate([painted, np.full_like(painted[..., :1], 255)], axis=-1)
