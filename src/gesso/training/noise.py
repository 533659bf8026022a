"""The noise that is put on latents: unit Gaussian, and what recipes add to it."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from gesso.training.recipe import NoiseRules

__all__ = ["drawn", "offset", "perturbed", "pyramid"]

Noise = Float[Tensor, "b c h w"]


def drawn(like: Noise, rules: NoiseRules, generator: torch.Generator) -> Noise:
    """Noise for latents of this shape; every number comes from the generator, on the CPU, in float32."""
    noise = torch.randn(like.shape, generator=generator)
    if rules.pyramid:
        noise = pyramid(noise, rules, generator)
    if rules.offset:
        noise = offset(noise, rules.offset, generator)
    return noise.to(like.device)


def offset(noise: Noise, share: float, generator: torch.Generator) -> Noise:
    """Noise with each channel shifted as a whole.

    Source: N. Guttenberg 2023, "Diffusion with Offset Noise": ε + share · n, n ~ N(0, 1) for every channel.
    """
    return noise + share * torch.randn((*noise.shape[:2], 1, 1), generator=generator)


def pyramid(noise: Noise, rules: NoiseRules, generator: torch.Generator) -> Noise:
    """Noise with coarser noises added, each enlarged, brought back to unit spread.

    Source: J. Whitaker 2023, "Multi-Resolution Noise for Diffusion Model Training": levels 1, 2, … are drawn
    at 1/rᵏ of the size, r between 2 and 4 by chance, and added with the factor discountᵏ.
    """
    height, width = noise.shape[2:]
    for level in range(1, rules.pyramid + 1):
        ratio = float(torch.rand((), generator=generator)) * 2 + 2
        cells = max(1, int(height / ratio**level)), max(1, int(width / ratio**level))
        coarse = torch.randn((*noise.shape[:2], *cells), generator=generator)
        noise = (
            noise + functional.interpolate(coarse, (height, width), mode="bilinear") * rules.discount**level
        )
        if cells == (1, 1):
            break
    return noise / noise.std()


def perturbed(noise: Noise, share: float, generator: torch.Generator) -> Noise:
    """What the network sees instead of the noise that it is asked for.

    Source: Ning et al. 2023, arXiv:2301.11706, algorithm 1: ε + γ ξ, ξ ~ N(0, I).
    """
    if not share:
        return noise
    return noise + share * torch.randn(noise.shape, generator=generator).to(noise)
