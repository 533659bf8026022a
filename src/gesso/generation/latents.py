"""Pictures to latents and back, and what else the network is shown beside the noisy latents."""

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from gesso.errors import NotFinite, RequestError
from gesso.model import Model

__all__ = ["as_image", "as_pixels", "beside", "decoded", "encoded", "open_image", "preview", "widened"]

PREVIEW_CELLS = 24
"""A preview decodes at most about this many latent cells along a side: a small share of a step's work."""


def open_image(path: str, size: tuple[int, int]) -> Image.Image:
    """A picture file as RGB at the size to paint, cropped around its middle to the same aspect.

    Raises:
        RequestError: there is no such file, or it is not a picture.
    """
    try:
        with Image.open(path) as file:
            picture = file.convert("RGB")
    except (OSError, ValueError) as error:
        raise RequestError(f"source.image must be a picture, however: {path}: {error}") from error
    scale = max(size[0] / picture.width, size[1] / picture.height)
    box = (size[0] / scale, size[1] / scale)
    left, top = (picture.width - box[0]) / 2, (picture.height - box[1]) / 2
    return picture.resize(size, Image.Resampling.LANCZOS, (left, top, left + box[0], top + box[1]))


def as_pixels(image: Image.Image) -> Float[Tensor, "1 3 h w"]:
    """An RGB picture as numbers in -1…1."""
    array = np.asarray(image, dtype=np.float32) / 127.5 - 1.0
    return torch.from_numpy(array).permute(2, 0, 1).unsqueeze(0).contiguous()


def as_image(pixels: Float[Tensor, "1 3 h w"]) -> Image.Image:
    """Numbers in -1…1 as an RGB picture; what lies outside is cut."""
    array = ((pixels[0].float().clamp(-1, 1) + 1.0) * 127.5).round().to(torch.uint8)
    return Image.fromarray(array.permute(1, 2, 0).cpu().numpy())


def encoded(model: Model, pixels: Float[Tensor, "1 3 H W"]) -> Float[Tensor, "1 c h w"]:
    """A picture's latents: the mean of what the autoencoder says of it, unscaled."""
    return model.vae.encode(pixels.to(model.device, model.dtype)).mean.float()


def decoded(model: Model, latents: Float[Tensor, "1 c h w"]) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture that latents stand for, and a note where it took a wider type to see it.

    Raises:
        NotFinite: the numbers overflow even in float32.
    """
    unscaled = model.unscaled(latents)
    pixels = model.vae.decode(unscaled.to(model.dtype))
    if torch.isfinite(pixels).all():
        return as_image(pixels), ()
    with widened(model.vae):
        pixels = model.vae.decode(unscaled.float())
    if not torch.isfinite(pixels).all():
        raise NotFinite("decoded pixels must be finite, however: they overflow in float32 too")
    return as_image(pixels), (f"decoded in float32: {model.dtype} overflowed",)


@contextmanager
def widened(network: nn.Module) -> Generator[None]:
    """A network in float32 for a while; narrower weights come back exactly as they were."""
    dtype = next(network.parameters()).dtype
    network.float()
    try:
        yield
    finally:
        network.to(dtype)


def preview(model: Model, latents: Float[Tensor, "1 c h w"]) -> Image.Image:
    """A small picture of unfinished latents, at a small share of a step's cost."""
    shrink = max(1.0, max(latents.shape[-2:]) / PREVIEW_CELLS)
    cells = [max(1, round(side / shrink)) for side in latents.shape[-2:]]
    small = torch.nn.functional.interpolate(latents[:1], cells, mode="area")
    return as_image(model.vae.decode(model.unscaled(small).to(model.dtype)).nan_to_num())


def beside(
    model: Model, pixels: Float[Tensor, "1 3 H W"] | None, latent: tuple[int, int]
) -> Float[Tensor, "1 c h w"] | None:
    """What models with more than 4 input channels are shown beside the noisy latents.

    An inpainting model sees a mask (1 everywhere: paint it all) and the latents of the masked picture, which
    is then plain grey. An instruct model sees the source's latents, unscaled, or zeros without a source.

    Source: CompVis-layout inpainting (1 + 4 channels); Brooks et al. 2022, arXiv:2211.09800, section 3.2.
    """
    if model.identity.variant.name == "inpainting":
        side = model.vae.factor
        grey = torch.zeros((1, 3, latent[0] * side, latent[1] * side))
        mask = torch.ones((1, 1, *latent), device=model.device)
        return torch.cat([mask, model.latents(encoded(model, grey))], dim=1)
    if model.identity.variant.name == "instruct":
        channels = 4
        blank = torch.zeros((1, channels, *latent), device=model.device)
        return blank if pixels is None else encoded(model, pixels)
    return None
