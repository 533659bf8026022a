"""UniPC: each call corrects the step that led to it, then predicts the next."""

import math
from collections.abc import Iterator
from typing import Literal

from gesso.sampling.levels import Sigmas
from gesso.sampling.lms import lagrange
from gesso.sampling.process import toward
from gesso.sampling.step import Denoise, Latents, Noise, Order, Step, intervals

__all__ = ["uni_pc"]

Variant = Literal["bh1", "bh2"]
Past = list[tuple[float, Latents]]
"""Noise levels and their clean estimates, latest first."""


def uni_pc(
    denoise: Denoise,
    x: Latents,
    sigmas: Sigmas,
    noise: Noise,
    *,
    order: Order = 3,
    variant: Variant = "bh1",
    lower_order_final: bool = True,
) -> Iterator[Step]:
    """Predictor and corrector of one family, at the price of a predictor alone: a call a step.

    Args:
        denoise: the denoiser.
        x: latents with noise of sigmas[0].
        sigmas: noise levels, falling.
        noise: not used.
        order: how many clean estimates are looked back on.
        variant: the paper's B(h): h, or e^h − 1.
        lower_order_final: look back less in the last steps to 0, which steadies few steps.

    Source: Zhao et al. 2023, arXiv:2302.04867, algorithms 1 (UniC) and 2 (UniP) in their form for data
    prediction, as in diffusers' UniPCMultistepScheduler.
    """
    del noise
    past: Past = []
    x_past, reach = x, 1
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        if past:
            x = _corrected(x_past, past[:reach], (sigma, denoised), variant)
        past = [(sigma, denoised), *past[: order - 1]]
        left = len(sigmas) - 1 - index if lower_order_final and sigmas[-1] == 0 else order
        reach = min(len(past), left if sigma_next > 0 else 1)
        x_past, x = x, _predicted(x, past[:reach], sigma_next, variant)
        yield Step(index, sigma_next, x, denoised)


def _predicted(x: Latents, past: Past, sigma_next: float, variant: Variant) -> Latents:
    """Latents at the next level, from the past alone.

    Source: Zhao et al. 2023, arXiv:2302.04867, algorithm 2 (UniP).
    """
    sigma, denoised = past[0]
    x = toward(x, denoised, sigma_next / sigma)
    return x + _bend(past, past[1:], sigma_next, variant) if len(past) > 1 else x


def _corrected(x: Latents, past: Past, latest: tuple[float, Latents], variant: Variant) -> Latents:
    """Latents at the latest level again, now that the clean estimate there is known.

    Source: Zhao et al. 2023, arXiv:2302.04867, algorithm 1 (UniC).
    """
    sigma, denoised = past[0]
    x = toward(x, denoised, latest[0] / sigma)
    return x + _bend(past, [*past[1:], latest], latest[0], variant)


def _bend(past: Past, others: Past, sigma_next: float, variant: Variant) -> Latents:
    """What the change of the clean estimate adds to a step.

    Args:
        past: the level that the step starts from comes first.
        others: the estimates that show the change.
        sigma_next: the level that the step goes to.
        variant: the paper's B(h).
    """
    sigma, denoised = past[0]
    h = math.log(sigma / sigma_next)
    nodes = [math.log(sigma / level) / h for level, _ in others]
    scale = h if variant == "bh1" else -math.expm1(-h)
    total = denoised * 0
    for node, weight, (_, other) in zip(nodes, _weights(nodes, h, scale), others, strict=True):
        total = total + (other - denoised) * (scale * weight / node)
    return total


def _weights(nodes: list[float], h: float, scale: float) -> list[float]:
    """The paper's a: Σₖ aₖ rₖⁱ⁻¹ = i! φᵢ₊₁(−h)·h/B for each i; a single one is fixed to ½.

    Source: Zhao et al. 2023, arXiv:2302.04867, theorem 3.1, and for the single one its implementation notes.
    """
    if len(nodes) == 1:
        return [0.5]
    moments: list[float] = []
    phi = -math.expm1(-h) / h
    for i in range(1, len(nodes) + 1):
        phi = (1 / math.factorial(i) - phi) / h
        moments.append(phi * math.factorial(i) * h / scale)
    return [sum(c * moment for c, moment in zip(basis, moments, strict=True)) for basis in lagrange(nodes)]
