"""Annotators that keep a picture's tones, or parts of them."""

import numpy as np
import scipy
from jaxtyping import UInt8
from PIL import Image

__all__ = ["blur", "colours", "invert", "normal", "shuffle", "threshold", "tile"]

Picture = UInt8[np.ndarray, "h w 3"]


def blur(picture: Picture, sigma: float = 9.0) -> Picture:
    """The picture out of focus.

    Args:
        picture: RGB.
        sigma: standard deviation, pixels.
    """
    found = scipy.ndimage.gaussian_filter(picture.astype(np.float64), (sigma, sigma, 0), mode="nearest")
    return found.round().astype(np.uint8)


def tile(picture: Picture, rate: float = 1.0) -> Picture:
    """The picture with as much detail as a smaller one has.

    Args:
        picture: RGB.
        rate: how many times smaller, 1 or more.
    """
    return _through(picture, max(1.0, rate), Image.Resampling.BICUBIC)


def colours(picture: Picture, cell: int = 64) -> Picture:
    """Squares of one colour each.

    Args:
        picture: RGB.
        cell: about the side of a square, pixels.

    Source: TencentARC/T2I-Adapter's colour adapter, squares of 64 pixels.
    """
    return _through(picture, max(1, cell), Image.Resampling.NEAREST)


def _through(picture: Picture, rate: float, back: Image.Resampling) -> Picture:
    height, width = picture.shape[:2]
    whole = Image.fromarray(picture)
    small = whole.resize(
        (max(1, round(width / rate)), max(1, round(height / rate))), Image.Resampling.BICUBIC
    )
    return np.asarray(small.resize((width, height), back)).copy()


def normal(picture: Picture, strength: float = 2.0, background: float = 0.0) -> Picture:
    """Which way surfaces face, from a picture of depth, near is bright: red right, green up, blue to you.

    Args:
        picture: depth as grey.
        strength: how steep it is taken to be.
        background: depth, 0…1, below which everything faces you.
    """
    depth = picture.astype(np.float64).mean(axis=2) / 255.0
    down, right = np.gradient(depth) if min(depth.shape) > 1 else (np.zeros_like(depth),) * 2
    scale = strength * max(depth.shape) / 8.0
    facing = np.stack([-right * scale, down * scale, np.ones_like(depth)], axis=2)
    facing[depth < background] = (0.0, 0.0, 1.0)
    facing /= np.linalg.norm(facing, axis=2, keepdims=True)
    return ((facing + 1.0) * 127.5).round().astype(np.uint8)


def invert(picture: Picture) -> Picture:
    """Black for white."""
    return 255 - picture


def threshold(picture: Picture, at: int = 127) -> UInt8[np.ndarray, "h w"]:
    """Black and white alone.

    Args:
        picture: RGB.
        at: what is brighter than this, 0…255, is white.
    """
    light = np.asarray(Image.fromarray(picture).convert("L"))
    return np.where(light > at, 255, 0).astype(np.uint8)


def shuffle(picture: Picture, seed: int = 0, grain: int = 256) -> Picture:
    """The picture's colours, flowed into other places.

    Args:
        picture: RGB.
        seed: decides where to.
        grain: about the size of what stays together, pixels.

    Source: Zhang 2023, ControlNet 1.1's content shuffle: a smooth random map of each place to another.
    """
    height, width = picture.shape[:2]
    draw = np.random.Generator(np.random.PCG64(seed))
    places = [_field(draw, (height, width), grain) * (side - 1) for side in (height, width)]
    channels = [
        scipy.ndimage.map_coordinates(picture[..., i].astype(np.float64), places, order=1, mode="nearest")
        for i in range(3)
    ]
    return np.stack(channels, axis=2).round().clip(0, 255).astype(np.uint8)


def _field(draw: np.random.Generator, size: tuple[int, int], grain: int) -> np.ndarray:
    """Smooth random numbers from 0 to 1."""
    rows, columns = (side // max(1, grain) + 4 for side in size)
    coarse = draw.uniform(size=(rows, columns))
    at = np.meshgrid(
        *(np.linspace(1, n - 2, side) for n, side in zip((rows, columns), size, strict=True)), indexing="ij"
    )
    field = scipy.ndimage.map_coordinates(coarse, at, order=3)
    spread = field.max() - field.min()
    return (field - field.min()) / (spread or 1.0)
