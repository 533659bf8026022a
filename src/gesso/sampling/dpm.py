"""DPM-Solver and DPM-Solver++: single-step, multistep and stochastic."""

import math
from collections.abc import Iterator
from typing import Literal

from gesso.sampling.levels import Sigmas
from gesso.sampling.process import NO_CHURN, Churn, ancestral, churned, slope, toward
from gesso.sampling.step import Denoise, Latents, Noise, Step, intervals

__all__ = [
    "dpm_2",
    "dpm_2_ancestral",
    "dpmpp_2m",
    "dpmpp_2m_sde",
    "dpmpp_2s_ancestral",
    "dpmpp_3m_sde",
    "dpmpp_sde",
]


def dpm_2(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, churn: Churn = NO_CHURN
) -> Iterator[Step]:
    """Half a step to look, then a whole one along the slope seen there. Second order.

    Two calls a step, one for a step to 0.

    Source: Lu et al. 2022, arXiv:2206.00927, algorithm 1 (DPM-Solver-2), in the σ of Karras et al. 2022;
    k-diffusion, sampling.py, sample_dpm_2.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        sigma_hat = churn.level(sigma, len(sigmas) - 1)
        x = churned(x, sigma, sigma_hat, noise, churn.s_noise)
        x, denoised = _midpoint(denoise, x, sigma_hat, sigma_next)
        yield Step(index, sigma_next, x, denoised)


def dpm_2_ancestral(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Step]:
    """dpm_2 past the next level, then fresh noise back up to it. Two calls a step, one for a step to 0.

    Source: k-diffusion, sampling.py, sample_dpm_2_ancestral; Lu et al. 2022, arXiv:2206.00927, algorithm 1.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        down, up = ancestral(sigma, sigma_next, eta)
        x, denoised = _midpoint(denoise, x, sigma, down)
        if up > 0:
            x = x + noise.draw() * (s_noise * up)
        yield Step(index, sigma_next, x, denoised)


def _midpoint(denoise: Denoise, x: Latents, sigma: float, down: float) -> tuple[Latents, Latents]:
    """Latents one DPM-Solver-2 step on, and the first clean estimate of that step."""
    denoised = denoise(x, sigma)
    if down == 0:
        return denoised, denoised
    middle = math.sqrt(sigma * down)
    x_middle = toward(x, denoised, middle / sigma)
    return x + slope(x_middle, middle, denoise(x_middle, middle)) * (down - sigma), denoised


def dpmpp_2s_ancestral(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Step]:
    """DPM-Solver++ of second order with a look half-way, then fresh noise. Two calls, one for a step to 0.

    Source: Lu et al. 2022, arXiv:2211.01095, algorithm 1 (2S, r = ½); ancestral as in k-diffusion,
    sampling.py, sample_dpmpp_2s_ancestral.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        down, up = ancestral(sigma, sigma_next, eta)
        estimate = denoised
        if down > 0:
            middle = math.sqrt(sigma * down)
            estimate = denoise(toward(x, denoised, middle / sigma), middle)
        x = toward(x, estimate, down / sigma)
        if up > 0:
            x = x + noise.draw() * (s_noise * up)
        yield Step(index, sigma_next, x, denoised)


def dpmpp_sde(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Step]:
    """The noising process itself run backwards, with a look half-way. Two calls a step, one to 0.

    Args:
        denoise: the denoiser.
        x: latents with noise of sigmas[0].
        sigmas: noise levels, falling.
        noise: its Brownian path is used, so that more steps follow the same path more closely.
        eta: share of the noise that is fresh, 0…1; 0 is deterministic.
        s_noise: standard deviation of the fresh noise.

    Source: Lu et al. 2022, arXiv:2211.01095, algorithm 1 (r = ½), for the reversed process as in
    k-diffusion, sampling.py, sample_dpmpp_sde.
    """
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = estimate = denoise(x, sigma)
        if sigma_next > 0:
            middle = math.sqrt(sigma * sigma_next)
            down, up = ancestral(sigma, middle, eta)
            x_middle = toward(x, denoised, down / sigma)
            if up > 0:
                x_middle = x_middle + noise.between(sigma, middle) * (s_noise * up)
            # with r = ½ the paper's mixture of both estimates is the second alone
            estimate = denoise(x_middle, middle)
        down, up = ancestral(sigma, sigma_next, eta)
        x = toward(x, estimate, down / sigma)
        if up > 0:
            x = x + noise.between(sigma, sigma_next) * (s_noise * up)
        yield Step(index, sigma_next, x, denoised)


def dpmpp_2m(denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise) -> Iterator[Step]:
    """A line through the last two clean estimates instead of a second look. Second order, a call a step.

    Source: Lu et al. 2022, arXiv:2211.01095, algorithm 2 (2M).
    """
    del noise
    past, h_past = None, 0.0
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = estimate = denoise(x, sigma)
        h = _log_step(sigma, sigma_next)
        if past is not None and sigma_next > 0:
            estimate = denoised + (denoised - past) * (h / (2 * h_past))
        x = toward(x, estimate, sigma_next / sigma)
        past, h_past = denoised, h
        yield Step(index, sigma_next, x, denoised)


def dpmpp_2m_sde(
    denoise: Denoise,
    x: Latents,
    sigmas: Sigmas,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    solver_type: Literal["midpoint", "heun"] = "midpoint",
) -> Iterator[Step]:
    """dpmpp_2m of the noising process run backwards. A call a step.

    Args:
        denoise: the denoiser.
        x: latents with noise of sigmas[0].
        sigmas: noise levels, falling.
        noise: its Brownian path is used.
        eta: amount of fresh noise; 0 is deterministic.
        s_noise: standard deviation of the fresh noise.
        solver_type: how the slope of the clean estimate is weighted.

    Source: Lu et al. 2022, arXiv:2211.01095, SDE-DPM-Solver++(2M); eta and "heun" as in
    k-diffusion, sampling.py, sample_dpmpp_2m_sde.
    """
    past, h_past = None, 0.0
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        h = _log_step(sigma, sigma_next)
        keep = (sigma_next / sigma) ** (1 + eta)
        x = toward(x, denoised, keep)
        if past is not None and sigma_next > 0:
            weight = (1 - keep) / 2 if solver_type == "midpoint" else 1 - (1 - keep) / (h * (1 + eta))
            x = x + (denoised - past) * (weight * h / h_past)
        if eta > 0 and sigma_next > 0:
            x = x + noise.between(sigma, sigma_next) * (s_noise * _fresh(sigma, sigma_next, eta))
        past, h_past = denoised, h
        yield Step(index, sigma_next, x, denoised)


def dpmpp_3m_sde(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Iterator[Step]:
    """A parabola through the last three clean estimates, with fresh noise. A call a step.

    Source: k-diffusion, sampling.py, sample_dpmpp_3m_sde: Lu et al. 2022, arXiv:2211.01095,
    SDE-DPM-Solver++ carried to third order.
    """
    past: list[tuple[float, Latents]] = []
    for index, sigma, sigma_next in intervals(sigmas):
        denoised = denoise(x, sigma)
        h = _log_step(sigma, sigma_next)
        x = toward(x, denoised, (sigma_next / sigma) ** (1 + eta))
        if past and sigma_next > 0:
            x = x + _bend(denoised, past, h, h * (1 + eta))
        if eta > 0 and sigma_next > 0:
            x = x + noise.between(sigma, sigma_next) * (s_noise * _fresh(sigma, sigma_next, eta))
        past = [(h, denoised), *past[:1]]
        yield Step(index, sigma_next, x, denoised)


def _bend(denoised: Latents, past: list[tuple[float, Latents]], h: float, h_eta: float) -> Latents:
    """What the first and second derivative of the clean estimate add to a step of length h in −ln σ.

    Args:
        denoised: the estimate at the start of the step.
        past: lengths of the steps before, latest first, with the estimates they started from.
        h: length of this step.
        h_eta: length of this step for the noise, (1 + eta)·h.
    """
    phi_2 = math.expm1(-h_eta) / h_eta + 1
    h_1, denoised_1 = past[0]
    first = (denoised - denoised_1) * (h / h_1)
    if len(past) == 1:
        return first * phi_2
    h_2, denoised_2 = past[1]
    r_0, r_1 = h_1 / h, h_2 / h
    second = (first - (denoised_1 - denoised_2) / r_1) / (r_0 + r_1)
    return (first + second * r_0) * phi_2 - second * (phi_2 / h_eta - 0.5)


def _log_step(sigma: float, sigma_next: float) -> float:
    """The length of a step in −ln σ; a step to 0 has none that could be used."""
    return math.log(sigma / sigma_next) if sigma_next > 0 else math.inf


def _fresh(sigma: float, sigma_next: float, eta: float) -> float:
    """Standard deviation of the noise that the reversed process adds over one step.

    Source: Lu et al. 2022, arXiv:2211.01095, SDE-DPM-Solver++, with the noise term scaled by eta.
    """
    return sigma_next * math.sqrt(1 - (sigma_next / sigma) ** (2 * eta))
