"""Regions: where a request's parts with words of their own lie on the latents."""

import hashlib
from io import BytesIO

import numpy as np
import torch
from PIL import Image

from gesso.errors import RequestError
from gesso.guidance.regions import Maps, maps
from gesso.request import Region, Request

__all__ = ["named_regions", "region_maps"]


def named_regions(request: Request) -> Request:
    """The request with every region's mask known by its hash.

    Raises:
        RequestError: a mask is missing, or not the one that the request was made for.
    """
    named = tuple(
        each if each.mask is None else each.model_copy(update={"sha256": _digest(_read(each))})
        for each in request.regions
    )
    return request.model_copy(update={"regions": named}) if named else request


def region_maps(request: Request, latent: tuple[int, int]) -> Maps | None:
    """How much the prompt and each region count at each latent cell; None without regions.

    Args:
        latent: height and width in latent cells.
    """
    if not request.regions:
        return None
    areas = [_area(each, latent) * each.weight for each in request.regions]
    return maps(areas, request.regions_base)


def _area(region: Region, latent: tuple[int, int]) -> torch.Tensor:
    """How much of each cell belongs to a region, [1 1 h w]."""
    height, width = latent
    if region.box is None:
        try:
            picture = Image.open(BytesIO(_read(region))).convert("L")
        except OSError as error:
            raise RequestError(f"a region's mask must be a picture, however: {error}") from error
        small = picture.resize((width, height), Image.Resampling.BOX)
        return torch.from_numpy(np.asarray(small, dtype=np.float32) / 255.0)[None, None]
    left, top, right, bottom = region.box
    return _covered(top, bottom, height)[None, None, :, None] * _covered(left, right, width)[None, None, None]


def _covered(start: float, stop: float, cells: int) -> torch.Tensor:
    """How much of each cell in a row lies between two shares of it."""
    edges = torch.arange(cells + 1, dtype=torch.float64) / cells
    inside = edges.clamp(start, stop)
    return ((inside[1:] - inside[:-1]) * cells).float()


def _read(region: Region) -> bytes:
    assert region.mask is not None
    try:
        content = region.mask.read_bytes()
    except OSError as error:
        raise RequestError(
            f"a region's mask must be a picture, however: {region.mask}: {error.strerror}"
        ) from error
    if region.sha256 not in {None, _digest(content)}:
        raise RequestError(
            f"a region's mask must be the file that the request was made for, "
            f"however: {region.mask} has changed"
        )
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
