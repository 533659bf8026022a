"""Enlarging: a picture brought to another size, by a filter, as latents, or by a network from a file."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.hashes import sha256
from gesso.errors import CheckpointError, RequestError, ResourceError, UnknownName
from gesso.generation.latents import as_image, as_pixels
from gesso.generation.plan import LATENT
from gesso.guidance.windows import spans
from gesso.request import Source, Upscaler

__all__ = ["FILTERS", "check_upscaler", "cropped", "enlarged", "enlarged_latents"]

Size = tuple[int, int]
"""Width and height."""

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
"""Upscalers that need nothing but pixels."""
TILE, MARGIN = 256, 16
"""Pixels along a part that a network sees at once, and how many of it, at its edges, are not used."""
ENDINGS = (".pth", ".pt", ".ckpt", ".safetensors")


def check_upscaler(source: Source) -> str | None:
    """Whether there is such an upscaler; the hash of its file, if it is one.

    Raises:
        UnknownName: it is neither a known name nor a network's file.
        RequestError: the file is not there, or not the one that the request was made for.
    """
    if source.upscaler in FILTERS or source.upscaler in LATENT:
        return None
    path = Path(source.upscaler)
    if path.suffix.lower() not in ENDINGS:
        raise UnknownName("upscaler", str(path), [*FILTERS, *LATENT, *(f"FILE{end}" for end in ENDINGS)])
    if not path.is_file():
        raise RequestError(f"source.upscaler must be a file, however: {path} is not there")
    Checkpoint.open(path)
    digest = sha256(path)
    if source.upscaler_sha256 not in {None, digest}:
        raise RequestError(
            f"source.upscaler must be the file that the request was made for, however: {path} has changed",
            hint=f"wanted: sha256 {source.upscaler_sha256}",
        )
    return digest


def enlarged(picture: Image.Image, size: Size, upscaler: Upscaler, device: torch.device) -> Image.Image:
    """A picture at another size, cropped around its middle to the same aspect.

    Args:
        upscaler: a name or a file; what enlarges latents shows the picture by Lanczos.

    Raises:
        CheckpointError: the file is no upscaling network.
        ResourceError: what reads such files is not installed.
    """
    if not isinstance(upscaler, Path):
        return cropped(picture, size, FILTERS.get(upscaler, Image.Resampling.LANCZOS))
    network = _network(upscaler, device)
    while picture.width < size[0] or picture.height < size[1]:
        before = picture.size
        picture = in_tiles(picture, network)
        if picture.size == before:
            break
    return cropped(picture, size, Image.Resampling.LANCZOS)


def cropped(picture: Image.Image, size: Size, resampling: Image.Resampling) -> Image.Image:
    """A picture at a size, with what its aspect has too much cut off on both sides alike."""
    if picture.size == size:
        return picture
    scale = max(size[0] / picture.width, size[1] / picture.height)
    box = (size[0] / scale, size[1] / scale)
    left, top = (picture.width - box[0]) / 2, (picture.height - box[1]) / 2
    return picture.resize(size, resampling, (left, top, left + box[0], top + box[1]))


def enlarged_latents(
    latents: Float[Tensor, "1 c h w"], size: tuple[int, int], mode: str
) -> Float[Tensor, "1 c H W"]:
    """Latents at another height and width.

    Args:
        mode: how torch interpolates.

    Source: AUTOMATIC1111/stable-diffusion-webui, the "Latent" upscalers: torch's interpolation of that name.
    """
    return functional.interpolate(latents, size, mode=mode)


def in_tiles(picture: Image.Image, network: Callable[[Tensor], Tensor]) -> Image.Image:
    """A picture through a network in overlapping parts, of which the middles are used.

    Args:
        network: pixels 0…1 [1 3 h w] → the same, enlarged by a whole number.
    """
    pixels = (as_pixels(picture.convert("RGB")) + 1.0) / 2.0
    height, width = pixels.shape[-2:]
    rows, columns = (spans(length, TILE, 2 * MARGIN) for length in (height, width))
    whole: Tensor | None = None
    for row in rows:
        for column in columns:
            tile = network(pixels[..., row, column]).float().cpu()
            scale = tile.shape[-1] // (column.stop - column.start)
            whole = tile.new_empty((1, 3, height * scale, width * scale)) if whole is None else whole
            (top, down), (left, right) = _middle(row, height), _middle(column, width)
            inside = tile[..., _times(top - row.start, down - row.start, scale), :]
            inside = inside[..., _times(left - column.start, right - column.start, scale)]
            whole[..., _times(top, down, scale), _times(left, right, scale)] = inside
    assert whole is not None
    return as_image(whole * 2.0 - 1.0)


def _middle(part: slice, length: int) -> tuple[int, int]:
    """A part without its margins; at the picture's own edges there are none."""
    return (
        part.start + (MARGIN if part.start else 0),
        part.stop - (MARGIN if part.stop < length else 0),
    )


def _times(start: int, stop: int, scale: int) -> slice:
    return slice(start * scale, stop * scale)


def _network(path: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The network of a file, of whatever architecture."""
    try:
        spandrel: Any = import_module("spandrel")
    except (ImportError, RuntimeError) as error:  # a torchvision made for another torch fails as it is loaded
        raise ResourceError(
            f"an upscaling network must have spandrel to read it, however: {error}",
            hint="pip install 'gesso[upscale]'",
        ) from error
    file = Checkpoint.open(path)
    try:
        found = spandrel.ModelLoader(device=device).load_from_state_dict(dict(file.tensors([*file.shapes])))
    except (RuntimeError, ValueError, KeyError, spandrel.UnsupportedModelError) as error:
        raise CheckpointError(
            f"{path} must be an upscaling network, however: spandrel knows no such: {error}"
        ) from error
    return lambda pixels: found(pixels.to(device))
