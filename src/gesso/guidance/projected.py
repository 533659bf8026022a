"""Adaptive projected guidance: guidance without the part that only makes colours loud."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.guidance.estimates import Estimates

__all__ = ["Projected"]

AXES = (1, 2, 3)
Latents = Float[Tensor, "b c h w"]


@dataclass
class Projected:
    """A rule with a memory: make one for every run.

    Args:
        eta: share kept of what guidance adds along the estimate itself; 1 keeps all of it.
        norm: longest guidance allowed, in latents' units; 0 allows any.
        momentum: of the guidance from step to step; negative values push away from past directions.

    Source: Sadat et al. 2024, arXiv:2410.02416, algorithm 1.
    """

    eta: float = 1.0
    norm: float = 0.0
    momentum: float = 0.0
    average: Latents | None = None

    def __call__(self, said: Estimates) -> Latents:
        """The guided estimate."""
        added = said.prompt - said.negative
        if self.momentum:
            added = added if self.average is None else added + self.momentum * self.average
            self.average = added
        if self.norm:
            length = torch.linalg.vector_norm(added, dim=AXES, keepdim=True)
            added = added * torch.clamp(self.norm / length, max=1.0)
        along = added - across(added, said.prompt)
        return said.prompt + (said.scale - 1.0) * (added - (1.0 - self.eta) * along)


def across(vector: Latents, axis: Latents) -> Latents:
    """The part of each row that is at a right angle to an axis, worked out in float64."""
    wide, line = vector.double(), axis.double()
    share = (wide * line).sum(AXES, keepdim=True) / (line * line).sum(AXES, keepdim=True)
    return (wide - share * line).to(vector.dtype)
