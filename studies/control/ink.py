"""A style to learn: scenes as if drawn with blue ink on paper."""

import numpy as np
import torch
from jaxtyping import UInt8
from scipy import ndimage
from torch import Tensor

PAPER = np.array((246.0, 240.0, 224.0))
INK = np.array((28.0, 44.0, 110.0))
TONES = 4
"""Depths of ink, paper included."""
LINE = 1.6
"""How fast an edge's slope turns into a full line."""


def ink(pictures: UInt8[Tensor, "n 3 s s"]) -> UInt8[Tensor, "n 3 s s"]:
    """Every picture in the style: a few tones of ink, and lines where brightness changes."""
    drawn = np.stack([_one(picture) for picture in pictures.permute(0, 2, 3, 1).numpy()])
    return torch.from_numpy(drawn).permute(0, 3, 1, 2).contiguous()


def _one(picture: UInt8[np.ndarray, "s s 3"]) -> UInt8[np.ndarray, "s s 3"]:
    light = picture @ np.array((0.299, 0.587, 0.114)) / 255.0
    tone = np.round((1 - light) * (TONES - 1)) / (TONES - 1) * 0.75
    slopes = [ndimage.sobel(light, axis) for axis in (0, 1)]
    line = np.clip(np.hypot(*slopes) * LINE - 0.3, 0, 1)
    depth = np.maximum(tone, line)[..., None]
    return (PAPER + depth * (INK - PAPER)).round().astype(np.uint8)
