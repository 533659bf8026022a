"""LCM and TCD: for models distilled to name the clean picture in one call."""

import math
from collections.abc import Iterator
from functools import cache

from gesso.sampling.levels import Sigmas, TrainedLevels
from gesso.sampling.process import toward
from gesso.sampling.step import Denoise, Latents, Noise, Step, intervals

__all__ = ["lcm", "tcd"]


def lcm(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, s_noise: float = 1.0
) -> Iterator[Step]:
    """The clean estimate, noised afresh to the next level. A call a step.

    The paper's boundary factors differ from (0, 1) by less than 1e-5 above t = 15 and are left out.

    Source: Luo et al. 2023, arXiv:2310.04378, multistep sampling, with x scaled by 1/√ᾱ.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = x = denoise(x, sigma)
        if sigma_next > 0:
            x = x + noise.draw() * (s_noise * sigma_next)
        yield Step(index, sigma_next, x, denoised)


def tcd(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, eta: float = 0.3, s_noise: float = 1.0
) -> Iterator[Step]:
    """Down to a share of the next level's time, then fresh noise back up to it. A call a step.

    Args:
        denoise: the denoiser.
        x: latents with noise of sigmas[0].
        sigmas: noise levels, falling.
        noise: where fresh noise comes from.
        eta: the paper's γ, 0…1: 0 is deterministic, 1 goes all the way down. Times are those of Stable
            Diffusion's levels, which every published model of this kind was distilled from.
        s_noise: standard deviation of the fresh noise.

    Source: Zheng et al. 2024, arXiv:2402.19159, strategic stochastic sampling, as in diffusers'
    TCDScheduler.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        down = _down(sigma_next, eta)
        x = toward(x, denoised, down / sigma)
        if down < sigma_next:
            x = x + noise.draw() * (s_noise * math.sqrt(sigma_next**2 - down**2))
        yield Step(index, sigma_next, x, denoised)


def _down(sigma_next: float, eta: float) -> float:
    """The level at 1 − eta of the next level's time: at 0 that level itself, at 1 no noise at all."""
    if eta == 0 or eta >= 1:
        return 0.0 if eta else sigma_next
    levels = _stable_diffusion()
    return min(levels.sigma((1 - eta) * levels.t(sigma_next)), sigma_next)


@cache
def _stable_diffusion() -> TrainedLevels:
    """The levels that Stable Diffusion was trained with."""
    return TrainedLevels.scaled_linear()
