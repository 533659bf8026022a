"""DDIM and DDPM: the trained noising process in reverse, over steps of any length."""

import math
from collections.abc import Iterator

from gesso.sampling.levels import Sigmas
from gesso.sampling.process import ancestral
from gesso.sampling.step import Denoise, Latents, Noise, Step, intervals

__all__ = ["ddim", "ddpm"]


def ddim(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, eta: float = 0.0, s_noise: float = 1.0
) -> Iterator[Step]:
    """The clean estimate, with the same noise put back at the next level. First order, a call a step.

    Args:
        denoise: the denoiser.
        x: latents with noise of sigmas[0].
        sigmas: noise levels, falling.
        noise: where fresh noise comes from.
        eta: share of the noise that is fresh; 0 is deterministic, 1 is ddpm.
        s_noise: standard deviation of the fresh noise.

    Source: Song et al. 2021, arXiv:2010.02502, eq. 12 and 16, with x scaled by 1/√ᾱ so that σ² = 1/ᾱ − 1.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        kept, fresh = ancestral(sigma, sigma_next, eta)
        x = denoised + (x - denoised) / sigma * kept
        if fresh > 0:
            x = x + noise.draw() * (s_noise * fresh)
        yield Step(index, sigma_next, x, denoised)


def ddpm(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, s_noise: float = 1.0
) -> Iterator[Step]:
    """A draw from the posterior of the next level given this one and the clean estimate. A call a step.

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 6 and 7, with x scaled by 1/√ᾱ so that σ² = 1/ᾱ − 1.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        share = (sigma_next / sigma) ** 2
        x = share * x + (1 - share) * denoised
        if sigma_next > 0:
            x = x + noise.draw() * (s_noise * sigma_next * math.sqrt(1 - share))
        yield Step(index, sigma_next, x, denoised)
