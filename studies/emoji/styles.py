"""Styles: how a scene is redrawn, and how that is said."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

__all__ = ["PLAINLY", "STYLES", "Style"]

Picture = UInt8[np.ndarray, "s s 3"]
LIGHT = np.array((0.299, 0.587, 0.114))
"""Red, green and blue in brightness. Source: ITU-R BT.601, section 2.5.1."""
PAPER = np.array((246.0, 240.0, 224.0))
INK = np.array((28.0, 44.0, 110.0))
TONES = 4
"""Depths of ink, paper included."""
LINE, GENTLE = 0.8, 0.45
"""How fast an edge's slope turns into a full line, and how much of it does not."""
LEVELS = 4
"""Of red, green and blue each in a comic."""


def _slope(shares: np.ndarray) -> np.ndarray:
    """How fast red, green or blue changes, whichever does most."""
    return np.max(np.hypot(*(ndimage.sobel(shares, axis) for axis in (0, 1))), axis=2)


def ink(picture: Picture) -> Picture:
    """Blue ink on paper: a few tones of brightness, and lines where colours change."""
    light = picture @ LIGHT / 255
    tone = np.round((1 - light) * (TONES - 1)) / (TONES - 1) * 0.75
    line = np.clip(_slope(picture / 255.0) * LINE - GENTLE, 0, 1)
    depth = np.maximum(tone, line)[..., None]
    return (PAPER + depth * (INK - PAPER)).round().astype(np.uint8)


def comic(picture: Picture) -> Picture:
    """Few flat colours within thick black lines."""
    shares = ndimage.median_filter(picture, (3, 3, 1)) / 255.0
    flat = np.round(shares * (LEVELS - 1)) / (LEVELS - 1)
    line = np.clip(_slope(shares) * LINE - GENTLE, 0, 1)[..., None]
    return (flat * (1 - line) * 255).round().astype(np.uint8)


@dataclass(frozen=True)
class Style:
    """One way to draw.

    Args:
        name: as tables call it.
        phrases: ways to say it around the words for what is shown, the usual one first.
        redraw: a scene of the usual style in this one.
    """

    name: str
    phrases: tuple[str, ...]
    redraw: Callable[[Picture], Picture]

    def said(self, words: str, rng: np.random.Generator) -> str:
        """The words for what is shown, in this style."""
        if len(self.phrases) == 1:
            return self.phrases[0].format(words)
        return self.phrases[int(rng.integers(len(self.phrases)))].format(words)


PLAINLY = 0
"""The artwork as it is."""
STYLES = (
    Style("3d", ("{}",), lambda picture: picture),
    Style("ink", ("an ink drawing of {}", "{} in ink"), ink),
    Style("comic", ("a comic of {}", "{} in comic style"), comic),
)
