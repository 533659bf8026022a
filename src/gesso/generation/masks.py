"""Masks as numbers: which pixels are painted, to what share, and how the painting fades into what is kept.

Everywhere 0 keeps a pixel to the byte and 255 paints it. Nothing depends on left and right or up and down.
"""

from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from gesso.generation.canvas import Box, Growth
from gesso.request import Mask

__all__ = ["bounds", "edge", "opacity", "shaped"]

Grey = NDArray[np.uint8]
"""[h w], 0…255."""

FADE = 0.25
"""From this share of painting on, a pixel shows the painting alone. Below it the painting is nearly what was
there, and a mixture hides the step between painted and kept pixels."""


def shaped(drawn: Grey, mask: Mask) -> Grey:
    """A mask as it was drawn, white where it is to be painted, grown and blurred as asked."""
    if mask.grow:
        spread = scipy.ndimage.maximum_filter if mask.grow > 0 else scipy.ndimage.minimum_filter
        drawn = np.asarray(spread(drawn, size=2 * abs(mask.grow) + 1, mode="nearest"), dtype=np.uint8)
    if mask.blur:
        soft = scipy.ndimage.gaussian_filter(drawn.astype(np.float64), mask.blur, mode="nearest")
        drawn = soft.round().astype(np.uint8)
    return drawn


def bounds(mask: Grey) -> Box | None:
    """The smallest box around all that is painted; None where nothing is."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def edge(canvas: tuple[int, int], growth: Growth, overlap: int) -> Grey:
    """The mask of what was just added to a canvas, and of so many pixels beside it.

    Args:
        canvas: width and height, the growth included.
    """
    width, height = canvas
    mask = np.full((height, width), 255, np.uint8)
    left, up, right, down = (by + overlap if by else 0 for by in vars(growth).values())
    mask[up : max(up, height - down), left : max(left, width - right)] = 0
    return mask


def opacity(mask: Grey, soft: Literal["strength", "blend"], feather: int) -> NDArray[np.float32]:
    """How much of each pixel the painting makes up in the end, 0…1: 0 exactly where the mask is 0.

    Args:
        soft: whether greys are shares of the painting's strength, or of the painting itself.
        feather: pixels over which it fades in from the mask's edge, inwards.
    """
    share = mask.astype(np.float32) / 255.0
    shown = share if soft == "blend" else np.minimum(1.0, share / FADE)
    if feather and not mask.all():
        inside = scipy.ndimage.distance_transform_edt(mask > 0)
        shown = shown * np.minimum(1.0, np.asarray(inside) / (feather + 1.0))
    return shown.astype(np.float32)
