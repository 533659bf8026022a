"""Linear multistep: a polynomial through the last slopes, integrated over the next step."""

import math
from collections.abc import Iterator, Sequence

from gesso.sampling.levels import Sigmas
from gesso.sampling.process import slope
from gesso.sampling.step import Denoise, Latents, Noise, Order, Step, intervals

__all__ = ["deis", "lagrange", "lms"]


def lms(denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, order: Order = 4) -> Iterator[Step]:
    """Adams and Bashforth's method for uneven steps in σ. A call a step.

    Args:
        denoise: the denoiser.
        x: latents with noise of sigmas[0].
        sigmas: noise levels, falling.
        noise: not used.
        order: how many slopes are looked back on.

    Source: Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, section III.5, eq. 5.3;
    k-diffusion, sampling.py, sample_lms.
    """
    del noise
    past: list[tuple[float, Latents]] = []
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        past = [(sigma, slope(x, sigma, denoised)), *past[: order - 1]]
        span = sigma_next - sigma
        nodes = [(level - sigma) / span for level, _ in past]
        weights = (sum(c / (k + 1) for k, c in enumerate(basis)) for basis in lagrange(nodes))
        x = x + _weighted(past, weights) * span
        yield Step(index, sigma_next, x, denoised)


def deis(denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, order: Order = 3) -> Iterator[Step]:
    """The same with the polynomial in ln σ, where slopes change most evenly. A call a step.

    A step to 0, where ln σ ends, takes the clean estimate.

    Args:
        denoise: the denoiser.
        x: latents with noise of sigmas[0].
        sigmas: noise levels, falling.
        noise: not used.
        order: how many slopes are looked back on; 3 is the paper's most.

    Source: Zhang & Chen 2023, arXiv:2204.13902, ρAB with the polynomial in ln ρ, ρ being our σ, as in
    diffusers' DEISMultistepScheduler.
    """
    del noise
    past: list[tuple[float, Latents]] = []
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        past = [(sigma, slope(x, sigma, denoised)), *past[: order - 1]]
        if sigma_next == 0:
            x = denoised
        else:
            h = math.log(sigma / sigma_next)
            moments = _moments(h, len(past))
            nodes = [math.log(sigma / level) / h for level, _ in past]
            weights = (
                sum(c * moment for c, moment in zip(basis, moments, strict=True)) for basis in lagrange(nodes)
            )
            x = x + _weighted(past, weights) * (-sigma * h)
        yield Step(index, sigma_next, x, denoised)


def lagrange(nodes: Sequence[float]) -> list[list[float]]:
    """For each node, the polynomial that is 1 there and 0 at the others: coefficients by rising power.

    Source: Lagrange's interpolation formula.
    """
    polynomials: list[list[float]] = []
    for node in nodes:
        polynomial = [1.0]
        for other in nodes:
            if other != node:
                pairs = zip([0.0, *polynomial], [*polynomial, 0.0], strict=True)
                polynomial = [(lower - other * same) / (node - other) for lower, same in pairs]
        polynomials.append(polynomial)
    return polynomials


def _moments(h: float, count: int) -> list[float]:
    """∫₀¹ uᵏ e^(−hu) du for k = 0, 1, …, by parts."""
    moments = [-math.expm1(-h) / h]
    for k in range(1, count):
        moments.append((k * moments[-1] - math.exp(-h)) / h)
    return moments


def _weighted(past: list[tuple[float, Latents]], weights: Iterator[float]) -> Latents:
    """The weighted sum of past slopes."""
    terms = [value * weight for (_, value), weight in zip(past, weights, strict=True)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
