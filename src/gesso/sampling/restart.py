"""Restart: goes back up to a noisier level and down again, which undoes errors."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from gesso.sampling.euler import heun_step
from gesso.sampling.levels import Sigmas
from gesso.sampling.process import churned
from gesso.sampling.schedules import karras_between
from gesso.sampling.step import Denoise, Latents, Noise, Step, intervals

__all__ = ["Restarts", "restart"]


@dataclass(frozen=True, slots=True)
class Restarts:
    """When to go back, how far, and how often.

    Args:
        restart_times: how often; 0 is heun.
        restart_steps: steps of each way down again.
        restart_low: σ to go back from; the nearest of the schedule's is taken.
        restart_high: σ to go back to; the nearest of the schedule's is taken.
        s_noise: standard deviation of the added noise.

    Source: Xu et al. 2023, arXiv:2306.14878; the defaults are those of AUTOMATIC1111 webui,
    modules/sd_samplers_extra.py, for 20 to 35 steps.
    """

    restart_times: int = 1
    restart_steps: int = 9
    restart_low: float = 0.1
    restart_high: float = 2.0
    s_noise: float = 1.0


ONCE = Restarts()


def restart(
    denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, *, restarts: Restarts = ONCE
) -> Iterator[Step]:
    """Heun's steps with the stretch from σ 2 to 0.1 walked once more, from fresh noise.

    Two calls a step, one for a step to 0. The second stretch is on top of the schedule's steps: nine more
    by default. A schedule that does not come through both levels is walked as heun does.

    Source: Xu et al. 2023, arXiv:2306.14878, algorithm 1.
    """
    reached = sigmas[0]
    for index, (sigma, sigma_next) in enumerate(_route(sigmas, restarts)):
        x = churned(x, reached, sigma, noise, restarts.s_noise)
        x, denoised = heun_step(denoise, x, sigma, sigma_next)
        reached = sigma_next
        yield Step(index, sigma_next, x, denoised)


def _route(sigmas: Sigmas, restarts: Restarts) -> Iterator[tuple[float, float]]:
    """Every step's noise levels, the repeated stretch included."""
    low = min(sigmas, key=lambda sigma: abs(sigma - restarts.restart_low))
    high = min(sigmas, key=lambda sigma: abs(sigma - restarts.restart_high))
    for _, sigma, sigma_next in intervals(sigmas):
        yield sigma, sigma_next
        if sigma_next == low and 0 < low < high:
            again = karras_between(high, low, restarts.restart_steps + 1)
            for _ in range(restarts.restart_times):
                yield from itertools.pairwise(again)
