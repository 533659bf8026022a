"""Averages of weights whose length is chosen after the run, put together of snapshots of a few.

Source: Karras et al. 2024, arXiv:2312.02696, section 3.1 and appendix C (power function averages).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["PowerAverage", "Snapshot", "exponent", "shares"]


def exponent(width: float) -> float:
    """The power of an average by its width.

    Args:
        width: standard deviation of the steps it remembers, as a share of the run, 0 to 0.28.

    Source: arXiv:2312.02696, appendix C.1: width² = (γ+1) / ((γ+2)² (γ+3)), at its largest root.
    """
    cubic = [1.0, 7.0, 16.0 - width**-2, 12.0 - width**-2]
    return max(float(root.real) for root in np.roots(cubic))


class PowerAverage:
    """An average that remembers the same share of the run at every step of it.

    Args:
        width: as in `exponent`.

    Source: arXiv:2312.02696, eq. 2: β(t) = (1 - 1/t)^(γ + 1) in step t, counted from 1.
    """

    def __init__(self, network: nn.Module, width: float) -> None:
        self.power = exponent(width)
        self.weights = {
            name: weight.detach().to(torch.float32, copy=True) for name, weight in network.named_parameters()
        }

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        kept = (1 - 1 / (step + 1)) ** (self.power + 1)
        for name, weight in network.named_parameters():
            self.weights[name].lerp_(weight.float(), 1 - kept)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Continue from saved averages."""
        for name, weight in self.weights.items():
            weight.copy_(weights[name])


@dataclass(frozen=True)
class Snapshot:
    """An average at a step.

    Args:
        width: as in `exponent`.
        step: steps done, at least 1.
    """

    width: float
    step: int


def shares(snapshots: Sequence[Snapshot], wanted: Snapshot) -> tuple[float, ...]:
    """How much of each snapshot gives, together, the average that is wanted, as nearly as can be.

    Source: arXiv:2312.02696, eq. 4 and appendix C.2: least squares between the averages' profiles over steps,
    whose inner products have a closed form.
    """
    products = np.array([[_product(one, other) for other in snapshots] for one in snapshots])
    aims = np.array([_product(one, wanted) for one in snapshots])
    return tuple(np.linalg.lstsq(products, aims, rcond=None)[0].tolist())


def _product(one: Snapshot, other: Snapshot) -> float:
    """Inner product of the profiles p(t) = (γ + 1) t^γ / T^(γ + 1) for t up to T, where each is 0 after."""
    short, long = sorted((one, other), key=lambda each: each.step)
    a, b = exponent(short.width), exponent(long.width)
    return (a + 1) * (b + 1) / (a + b + 1) * math.pow(short.step / long.step, b) / long.step
