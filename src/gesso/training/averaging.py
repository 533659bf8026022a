"""Averaged weights: a smoother network than any single step leaves behind."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["Average"]


class Average:
    """The exponential moving average of a network's weights.

    Early steps count more, so that the random first weights are soon forgotten.

    Args:
        decay: share of the old average that is kept each step, 0 to below 1.

    Source: a_n = d a + (1 - d) w with d = min(decay, (1 + n) / (10 + n)), the warm-up of TensorFlow's
    ExponentialMovingAverage; use in diffusion from Ho et al. 2020, arXiv:2006.11239, appendix B.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {
            name: weight.detach().to(torch.float32, copy=True) for name, weight in network.named_parameters()
        }

    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        kept = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, weight in network.named_parameters():
                self.weights[name].lerp_(weight.float(), 1 - kept)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Continue from saved averages."""
        for name, weight in self.weights.items():
            weight.copy_(weights[name])
