"""Variations: what an unCLIP model is told of pictures, as a vector with noise on it.

Source: Stability-AI/stablediffusion, `scripts/streamlit/stableunclip.py`; several pictures as ComfyUI adds
them up, each by its strength, and its seed for the noise.
"""

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from gesso.errors import RequestError
from gesso.families.vision import VisionEncoder
from gesso.generation.seeing import as_seen, looked_at
from gesso.model import Model
from gesso.networks.noise_augmentor import LEVELS, NoiseAugmentor
from gesso.request import ImagePrompt, Request

__all__ = ["Varied", "varied"]

STREAM = 10
"""What the noise's seed is less than the picture's, so that it is other noise."""


class Varied:
    """What a model made of pictures, ready to have noise put on it.

    Args:
        model: an unCLIP model.
        vector: what the pictures show, added up.
        level: how much noise is put on it, 0 to LEVELS - 1.
    """

    def __init__(self, model: Model, vector: Float[Tensor, "1 d"], level: int) -> None:
        self._model, self._vector, self._level = model, vector, level

    def __call__(self, seed: int) -> Float[Tensor, "1 v"]:
        """What the network is told of them for the picture of a seed."""
        augmentor = self._model.networks["augmentor"]
        assert isinstance(augmentor, NoiseAugmentor)
        own = torch.Generator().manual_seed((seed - STREAM) % 2**64)
        noise = torch.randn(self._vector.shape, generator=own).to(self._vector)
        return augmentor(self._vector, self._level, noise)


def varied(model: Model, request: Request) -> Varied | None:
    """What an unCLIP model makes of a request's image prompts; None for any other model.

    Raises:
        RequestError: a picture cannot be read, or an embedding is of another width.
    """
    if model.identity.variant.shown != "image_prompts":
        return None
    vectors = [use.weight * _seen(model, use) for use in request.image_prompts]
    level = round(request.image_prompts[0].noise * (LEVELS - 1))
    return Varied(model, torch.stack(vectors).sum(0), level)


def _seen(model: Model, use: ImagePrompt) -> Float[Tensor, "1 d"]:
    """The mean of what its pictures show."""
    encoder = model.networks["vision"]
    assert isinstance(encoder, VisionEncoder)

    def look(picture: Image.Image) -> Tensor:
        return encoder(as_seen(picture, encoder.side).to(model.device, model.dtype)).pooled

    rows = looked_at(use.images, look)
    for place, row in enumerate(rows):
        if row.shape[1:] != (encoder.pooled_width,):
            raise RequestError(
                f"image_prompts.images.{place} must be {encoder.pooled_width} numbers, however: it is "
                f"{'x'.join(map(str, row.shape[1:]))}"
            )
    return torch.cat([row.to(model.device, model.dtype) for row in rows]).mean(0, keepdim=True)
