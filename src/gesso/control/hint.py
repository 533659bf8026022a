"""The hint: a picture as a control model is shown it."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

__all__ = ["Fit", "as_hint", "as_region", "fitted"]

Fit = Literal["crop", "fill", "stretch"]
Size = tuple[int, int]


def fitted(picture: Image.Image, size: Size, fit: Fit) -> Image.Image:
    """A picture at another size.

    Args:
        size: width and height.
        fit: cut to the aspect around the middle, fitted whole into a border of its edges' median colour, or
            stretched.
    """
    if picture.size == size:
        return picture
    scales = (size[0] / picture.width, size[1] / picture.height)
    if fit == "stretch":
        return picture.resize(size, Image.Resampling.LANCZOS)
    scale = max(scales) if fit == "crop" else min(scales)
    if fit == "crop":
        box = (size[0] / scale, size[1] / scale)
        left, top = (picture.width - box[0]) / 2, (picture.height - box[1]) / 2
        return picture.resize(size, Image.Resampling.LANCZOS, (left, top, left + box[0], top + box[1]))
    inner = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    whole = Image.new(picture.mode, size, _edge(picture))
    whole.paste(picture.resize(inner, Image.Resampling.LANCZOS), _middle(size, inner))
    return whole


def _middle(size: Size, inner: Size) -> Size:
    return ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)


def _edge(picture: Image.Image) -> int | tuple[int, ...]:
    pixels = np.asarray(picture).reshape(picture.height, picture.width, -1)
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = tuple(int(each) for each in np.median(edges, axis=0))
    return colour[0] if len(colour) == 1 else colour


def as_hint(picture: Image.Image) -> Float[Tensor, "1 3 h w"]:
    """An RGB picture as numbers in 0…1."""
    array = np.asarray(picture, dtype=np.float32) / 255.0
    return torch.from_numpy(array).permute(2, 0, 1).unsqueeze(0).contiguous()


def as_region(picture: Image.Image) -> Float[Tensor, "1 1 h w"]:
    """A grey picture as numbers in 0…1."""
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255.0)[None, None]
