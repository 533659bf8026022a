"""Euler, Euler ancestral and Heun: the samplers of the EDM paper."""

from collections.abc import Iterator

from gesso.sampling.levels import Sigmas
from gesso.sampling.process import NO_CHURN, Churn, ancestral, churned, slope, toward
from gesso.sampling.step import Denoise, Latents, Noise, Step, intervals

__all__ = ["euler", "euler_ancestral", "heun"]


def euler(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, churn: Churn = NO_CHURN
) -> Iterator[Step]:
    """Straight along the slope: the plain solver. First order, a call a step.

    Source: Karras et al. 2022, arXiv:2206.00364, algorithm 2 without the second-order correction.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        sigma_hat = churn.level(sigma, len(sigmas) - 1)
        x = churned(x, sigma, sigma_hat, noise, churn.s_noise)
        denoised = denoise(x, sigma_hat)
        x = toward(x, denoised, sigma_next / sigma_hat)
        yield Step(index, sigma_next, x, denoised)


def euler_ancestral(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Step]:
    """Euler past the next level, then fresh noise back up to it: never settles. A call a step.

    Args:
        denoise: the denoiser.
        x: latents with noise of sigmas[0].
        sigmas: noise levels, falling.
        noise: where fresh noise comes from.
        eta: share of the noise that is fresh, 0…1; 0 is euler.
        s_noise: standard deviation of the fresh noise.

    Source: k-diffusion, sampling.py, sample_euler_ancestral; the reverse process of Ho et al. 2020,
    arXiv:2006.11239, section 3.2, taken over long steps.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        down, up = ancestral(sigma, sigma_next, eta)
        x = toward(x, denoised, down / sigma)
        if up > 0:
            x = x + noise.draw() * (s_noise * up)
        yield Step(index, sigma_next, x, denoised)


def heun(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, churn: Churn = NO_CHURN
) -> Iterator[Step]:
    """Euler, then again with the mean of the slopes at both ends. Second order.

    Two calls a step, one for a step to 0.

    Source: Karras et al. 2022, arXiv:2206.00364, algorithm 2.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        sigma_hat = churn.level(sigma, len(sigmas) - 1)
        x = churned(x, sigma, sigma_hat, noise, churn.s_noise)
        x, denoised = heun_step(denoise, x, sigma_hat, sigma_next)
        yield Step(index, sigma_next, x, denoised)


def heun_step(denoise: Denoise, x: Latents, sigma: float, sigma_next: float) -> tuple[Latents, Latents]:
    """Latents one Heun step on, and the first clean estimate of that step.

    Source: Karras et al. 2022, arXiv:2206.00364, algorithm 1, lines 4 to 8.
    """
    denoised = denoise(x, sigma)
    guess = toward(x, denoised, sigma_next / sigma)
    if sigma_next == 0:
        return guess, denoised
    end = slope(guess, sigma_next, denoise(guess, sigma_next))
    return x + (slope(x, sigma, denoised) + end) * ((sigma_next - sigma) / 2), denoised
