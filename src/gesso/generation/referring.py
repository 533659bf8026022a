"""Referring: a request's reference as a control of one model."""

import torch

from gesso.control.hint import fitted
from gesso.control.reference import Manner, Referring
from gesso.generation.latents import Scene, as_pixels, encoded
from gesso.generation.plan import within_steps
from gesso.generation.seeing import read_picture
from gesso.model import Model
from gesso.request import Reference
from gesso.sampling.levels import Sigmas

__all__ = ["referring"]

STREAM = 11
"""What the noise's seed is less than the picture's, so that it is other noise."""


def referring(model: Model, use: Reference, scene: Scene, sigmas: Sigmas, seed: int) -> Referring:
    """A reference as large as what is painted, with noise of the picture's own seed on it.

    Args:
        sigmas: of the whole run.

    Raises:
        RequestError: its picture cannot be read.
    """
    side = model.factor
    size = (scene.latent[1] * side, scene.latent[0] * side)
    picture = fitted(read_picture(use.image, "reference"), size, use.resize)
    latents = model.latents(encoded(model, as_pixels(picture)))
    own = torch.Generator().manual_seed((seed - STREAM) % 2**64)
    noise = torch.randn(latents.shape, generator=own).to(latents)
    manner = Manner(use.takes, use.weight, use.fidelity, within_steps(use.start, use.end, sigmas))
    return Referring(latents, noise, model.denoiser.prediction, manner)
