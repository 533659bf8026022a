"""Pictures to latents and back, and what else the network is shown beside the noisy latents."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from gesso.errors import NotFinite
from gesso.families.work import tiny_decoder_work, unet_work
from gesso.generation.large import decode, encode
from gesso.model import Model, sizes, type_of
from gesso.networks.tiny_autoencoder import TinyDecoder

__all__ = [
    "Scene",
    "as_image",
    "as_pixels",
    "beside",
    "decoded",
    "encoded",
    "kept",
    "preview",
    "widened",
]

PREVIEW_CELLS = 24
"""The whole decoder previews at most about this many latent cells along a side."""
PREVIEW_SHARE = 0.01
"""Of one row's way through the denoiser: what a tiny decoder may take for a preview, in operations."""


@dataclass(frozen=True)
class Scene:
    """What a model starts from in one stretch of painting.

    Args:
        latent: height and width in latent cells.
        pixels: the picture it starts from, -1…1; None starts from noise alone.
        hole: how much of each pixel is painted anew, 0…1; None paints all of it.
        turn: which stretch of a picture's painting it is, from 0.
        depth: how near things are at each latent cell, -1…1, for models that are told.
        vector: what pictures as prompts show, for models that are told.
        clean: latents that it starts from instead of what the pixels are encoded to.
    """

    latent: tuple[int, int]
    pixels: Float[Tensor, "1 3 H W"] | None = None
    hole: Float[Tensor, "1 1 H W"] | None = None
    turn: int = 0
    depth: Float[Tensor, "1 1 h w"] | None = None
    vector: Float[Tensor, "1 v"] | None = None
    clean: Float[Tensor, "1 c h w"] | None = None

    @property
    def cells(self) -> Float[Tensor, "1 1 h w"] | None:
        """How much of each latent cell is painted anew: as much as of the pixel that asks for the most."""
        return None if self.hole is None else torch.nn.functional.adaptive_max_pool2d(self.hole, self.latent)


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
    return encode(model, pixels.to(model.device)).mean.float()


def decoded(
    model: Model, latents: Float[Tensor, "1 c h w"], *, whole: bool = False
) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture that latents stand for, and notes where it took bands or a wider type to see it.

    Args:
        whole: never in bands, whose edges are the picture's own.

    Raises:
        NotFinite: the numbers overflow even in float32.
    """
    unscaled = model.unscaled(latents)
    pixels, notes = decode(model, unscaled, whole=whole)
    if torch.isfinite(pixels).all():
        return as_image(pixels), notes
    narrow = type_of(model.decoder)
    with widened(model.decoder):
        pixels, notes = decode(model, unscaled, whole=whole)
    if not torch.isfinite(pixels).all():
        raise NotFinite("decoded pixels must be finite, however: they overflow in float32 too")
    return as_image(pixels), (f"decoded in float32: {narrow} overflowed", *notes)


@contextmanager
def widened(network: nn.Module) -> Generator[None]:
    """A network in float32 for a while; narrower weights come back exactly as they were."""
    dtype = type_of(network)
    network.float()
    try:
        yield
    finally:
        network.to(dtype)


def preview(model: Model, latents: Float[Tensor, "1 c h w"]) -> Image.Image:
    """A picture of unfinished latents, as large as a small share of a step's work allows."""
    tiny = model.networks.get("preview") or model.networks.get("decoder")
    if isinstance(tiny, TinyDecoder):
        small = _shrunk(latents, _affordable(model, tiny, latents))
        return as_image(tiny.decode(small.to(type_of(tiny))).nan_to_num())
    small = _shrunk(latents, max(1.0, max(latents.shape[-2:]) / PREVIEW_CELLS))
    unscaled = model.unscaled(small).to(type_of(model.decoder))
    return as_image(model.decoder.decode(unscaled).nan_to_num())


def _shrunk(latents: Float[Tensor, "b c h w"], by: float) -> Float[Tensor, "1 c u v"]:
    cells = [max(1, round(side / by)) for side in latents.shape[-2:]]
    return torch.nn.functional.interpolate(latents[:1], cells, mode="area")


def _affordable(model: Model, tiny: TinyDecoder, latents: Float[Tensor, "b c h w"]) -> float:
    """By how much latents are made smaller for a tiny decoder to keep within its share of a step."""
    cells = (latents.shape[-2], latents.shape[-1])
    step = unet_work(model.unet_sizes, cells)
    return max(1.0, (tiny_decoder_work(sizes(tiny), cells) / (PREVIEW_SHARE * step)) ** 0.5)


def beside(model: Model, scene: Scene) -> Float[Tensor, "1 c h w"] | None:
    """What models with more than 4 input channels are shown beside the noisy latents.

    An inpainting model sees what is painted as 1 in a mask, and the latents of the picture with that part in
    plain grey. An instruct model sees the picture's latents, unscaled; a depth model how near things are.

    Source: CompVis-layout inpainting (1 + 4 channels); Brooks et al. 2022, arXiv:2211.09800, section 3.2;
    Stability-AI/stablediffusion, configs/stable-diffusion/v2-midas-inference.yaml.
    """
    if model.identity.variant.name == "inpainting":
        return kept(model, scene)
    if model.identity.variant.shown == "source":
        assert scene.pixels is not None, "the plan refuses a request without one"
        return model.raw(encoded(model, scene.pixels))
    return None if scene.depth is None else scene.depth.to(model.device)


def kept(model: Model, scene: Scene) -> Float[Tensor, "1 c h w"]:
    """A mask, 1 where it is painted, and the latents of what is kept, grey where it is painted."""
    mask, pixels = _masked(scene, model.factor)
    return torch.cat([mask.to(model.device), model.latents(encoded(model, pixels))], dim=1)


def _masked(scene: Scene, side: int) -> tuple[Float[Tensor, "1 1 h w"], Float[Tensor, "1 3 H W"]]:
    """The cells that are painted at all, and the picture without the pixels that are."""
    if scene.pixels is None or scene.hole is None or scene.cells is None:
        height, width = scene.latent
        return torch.ones((1, 1, *scene.latent)), torch.zeros((1, 3, height * side, width * side))
    return (scene.cells > 0).float(), torch.where(scene.hole > 0, 0.0, scene.pixels)
