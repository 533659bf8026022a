"""A tiny decoder in training: what an autoencoder's latents look like, at a small share of its work.

Source: layers and names as in Ole Bøer Bohan, "Tiny AutoEncoder for Stable Diffusion" (madebyollin/taesd).
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.checkpoint.write import save
from gesso.families.autoencoder_plan import tiny_decoder_shapes
from gesso.model import Model
from gesso.networks.initialise import initialise
from gesso.networks.tiny_autoencoder import TinyDecoder
from gesso.networks.unet import Additions
from gesso.training.recipe import SubjectRules
from gesso.training.subjects.base import Asked, Saving, Use

__all__ = ["Tiny"]

BLOCKS = 3
"""At each size but the largest, which has one, as in the published files."""


class Tiny:
    """A tiny decoder for a model's latents, begun from chance, in float32.

    Args:
        rules: its width.
        generator: decides the first weights.
    """

    def __init__(self, model: Model, rules: SubjectRules, generator: torch.Generator) -> None:
        self.model = model
        sizes = model.factor.bit_length() - 1
        shapes = tiny_decoder_shapes(rules.width, model.identity.latent_channels, (BLOCKS,) * sizes + (1,))
        self.decoder = TinyDecoder(shapes)
        initialise(self.decoder, generator)
        self.module = nn.ModuleDict(
            {"decoder": self.decoder.to(model.device).requires_grad_(requires_grad=False)}
        )

    def decode(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 H W"]:
        """The pictures that an autoencoder's latents stand for, as it sees them.

        Args:
            latents: not scaled for the denoiser.
        """
        return self.decoder.decode(self.model.latents(latents.float()))

    @contextmanager
    def learning(self) -> Generator[None]:
        """It takes no part in painting: only gradients are let through while the block runs."""
        self.decoder.requires_grad_(requires_grad=True)
        try:
            yield
        finally:
            self.decoder.requires_grad_(requires_grad=False)

    def additions(self, asked: Asked) -> Additions | None:
        """Nothing."""
        del asked

    def use(self, path: Path) -> Use:
        """In the place of the way back to pixels."""
        return Use(vae=path)

    def write(self, path: Path, weights: Mapping[str, Tensor], saving: Saving) -> None:
        """Write a file of the decoder alone, in the published names."""
        tensors = {name.removeprefix("decoder."): weight for name, weight in weights.items()}
        save(path, tensors, metadata=saving.metadata, dtype=saving.dtype or torch.float16)
