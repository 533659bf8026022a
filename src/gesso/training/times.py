"""Which times are trained how often: densities over the noise levels."""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from gesso.training.recipe import TimeRules

__all__ = ["DENSITIES", "drawn"]

Shares = Float[Tensor, " b"]
Density = Callable[[Shares, TimeRules], Shares]
"""Uniform numbers of 0…1 → shares of the way from the first to the last time, below 1."""


def uniform(u: Shares, rules: TimeRules) -> Shares:
    """All times alike. Source: Ho et al. 2020, arXiv:2006.11239, algorithm 1."""
    del rules
    return u


def logit_normal(u: Shares, rules: TimeRules) -> Shares:
    """The middle more often: logit(share) is normal. Source: Esser et al. 2024, arXiv:2403.03206, eq. 19."""
    return torch.sigmoid(rules.mean + rules.spread * math.sqrt(2) * torch.erfinv(2 * u - 1))


def cosine(u: Shares, rules: TimeRules) -> Shares:
    """The middle more often, broadly: 1 - 1 / (tan(πu/2) + 1).

    Source: Esser et al. 2024, arXiv:2403.03206, section 3.1, CosMap.
    """
    del rules
    return 1 - 1 / (torch.tan(math.pi / 2 * u) + 1)


def early(u: Shares, rules: TimeRules) -> Shares:
    """The less noisy more often: u^(1 + spread)."""
    return u ** (1 + rules.spread)


def late(u: Shares, rules: TimeRules) -> Shares:
    """The noisier more often: 1 - (1 - u)^(1 + spread)."""
    return 1 - (1 - u) ** (1 + rules.spread)


DENSITIES: Mapping[str, Density] = {
    "uniform": uniform,
    "logit_normal": logit_normal,
    "cosine": cosine,
    "early": early,
    "late": late,
}
"""Densities by the names that recipes use."""


def drawn(count: int, rules: TimeRules, generator: torch.Generator) -> Int[Tensor, " b"]:
    """So many times, whole numbers from first to last."""
    u = torch.rand(count, generator=generator, dtype=torch.float64)
    share = DENSITIES[rules.density](u, rules)
    span = rules.last - rules.first + 1
    return rules.first + (share * span).long().clamp(0, span - 1)
