"""Masking: what lies outside the mask is held at every step, by any sampler and any model."""

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.sampling.levels import Sigmas
from gesso.sampling.samplers import Denoise

__all__ = ["held"]

Latents = Float[Tensor, "b c h w"]


def held(denoise: Denoise, kept: Latents, shares: Float[Tensor, "b 1 h w"], sigmas: Sigmas) -> Denoise:
    """A denoise that already knows the picture outside the mask: there the clean estimate is the truth.

    A sampler that starts from kept latents with noise then carries them along at exactly its own noise level,
    whatever steps it takes; nothing has to be put back between steps.

    Args:
        kept: clean latents of the source.
        shares: how much is to be painted, 0…1. A share s is free for the last s of the steps and held before;
            0 is held to the end, 1 never.
        sigmas: the noise levels of the whole run, from which the steps that remain are read.

    Source: held to the end: Lugmayr et al. 2022, arXiv:2201.09865, eq. 8, in terms of the clean estimate;
    shares: Levin & Fried 2023, arXiv:2306.00950, algorithm 1, whose map is one minus ours.
    """
    if bool((shares >= 1).all()):
        return denoise

    def denoise_held(x: Latents, sigma: float) -> Latents:
        return torch.where(shares >= _remaining(sigma, sigmas), denoise(x, sigma), kept)

    return denoise_held


def _remaining(sigma: float, sigmas: Sigmas) -> float:
    """Share of the steps still to do at a noise level, the one under way included; 1 from the first on up."""
    done = sum(level >= sigma for level in sigmas[:-1])
    steps = len(sigmas) - 1
    return (steps - max(0, done - 1)) / steps
