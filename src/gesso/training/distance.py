"""How a mistake is measured, number by number."""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.training.recipe import ObjectiveRules

__all__ = ["DISTANCES", "bound"]

Error = Float[Tensor, "b c h w"]
Distance = Callable[[Error, Float[Tensor, "b 1 1 1"]], Error]
"""(mistake, bound of each row) → what it costs."""


def l2(error: Error, c: Tensor) -> Error:
    """The square."""
    del c
    return error.square()


def l1(error: Error, c: Tensor) -> Error:
    """The size."""
    del c
    return error.abs()


def huber(error: Error, c: Tensor) -> Error:
    """2c(√(e² + c²) - c): the square of small mistakes, 2c times the size of large ones.

    Source: Charbonnier et al. 1994, as pseudo-Huber loss in Khrapov et al. 2024, arXiv:2403.16728, eq. 5.
    """
    return 2 * c * ((error.square() + c.square()).sqrt() - c)


def smooth_l1(error: Error, c: Tensor) -> Error:
    """2(√(e² + c²) - c): twice the size of large mistakes. Source: kohya-ss/sd-scripts, conditional_loss."""
    return 2 * ((error.square() + c.square()).sqrt() - c)


DISTANCES: Mapping[str, Distance] = {"l2": l2, "l1": l1, "huber": huber, "smooth_l1": smooth_l1}
"""Distances by the names that recipes use."""


def bound(rules: ObjectiveRules, t: Tensor, alphas: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """The Huber bound at each time.

    Source: Khrapov et al. 2024, arXiv:2403.16728, section 4: c_min^(t/T), and c_min + (1 - c_min) / (1 + σ)²
    with σ = √((1 - ᾱ)/ᾱ), as kohya-ss/sd-scripts has them.
    """
    if rules.huber_schedule == "exponential":
        return torch.exp(math.log(rules.huber) * t.to(alphas) / 1000)
    if rules.huber_schedule == "snr":
        sigma = ((1 - alphas) / alphas).sqrt()
        return rules.huber + (1 - rules.huber) / (1 + sigma) ** 2
    return torch.full_like(alphas, rules.huber)
