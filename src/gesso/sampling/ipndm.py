"""PLMS and iPNDM: Adams and Bashforth's weights for even steps, on slopes."""

from collections.abc import Iterator

from gesso.sampling.levels import Sigmas
from gesso.sampling.process import slope
from gesso.sampling.step import Denoise, Latents, Noise, Order, Step, intervals

__all__ = ["ipndm", "plms"]

ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)
"""Weights of the latest slope, the one before …; source: Liu et al. 2022, arXiv:2202.09778, its multistep."""


def ipndm(denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, order: Order = 4) -> Iterator[Step]:
    """Up to four past slopes, weighted as if steps were even; starts with one. A call a step.

    Args:
        denoise: the denoiser.
        x: latents with noise of sigmas[0].
        sigmas: noise levels, falling.
        noise: not used.
        order: how many slopes are looked back on.

    Source: Zhang & Chen 2023, arXiv:2204.13902 (iPNDM), after the linear multistep part of Liu et al.
    2022, arXiv:2202.09778.
    """
    del noise
    past: list[Latents] = []
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        past = [slope(x, sigma, denoised), *past[: order - 1]]
        x = x + _mean(past) * (sigma_next - sigma) if sigma_next > 0 else denoised
        yield Step(index, sigma_next, x, denoised)


def plms(denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise) -> Iterator[Step]:
    """The same, but its first step looks at both its ends. A call a step and one more.

    Source: Liu et al. 2022, arXiv:2202.09778, algorithm 2 with the start of CompVis/stable-diffusion,
    ldm/models/diffusion/plms.py ("pseudo improved Euler").
    """
    del noise
    past: list[Latents] = []
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        past = [slope(x, sigma, denoised), *past[:3]]
        mean = _mean(past)
        if index == 0 and sigma_next > 0:
            guess = x + mean * (sigma_next - sigma)
            mean = (mean + slope(guess, sigma_next, denoise(guess, sigma_next))) / 2
        x = x + mean * (sigma_next - sigma) if sigma_next > 0 else denoised
        yield Step(index, sigma_next, x, denoised)


def _mean(past: list[Latents]) -> Latents:
    """The mean slope over the next step, extrapolated from past ones, latest first."""
    weights = ADAMS_BASHFORTH[len(past) - 1]
    mean = past[0] * weights[0]
    for value, weight in zip(past[1:], weights[1:], strict=True):
        mean = mean + value * weight
    return mean
