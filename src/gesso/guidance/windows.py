"""Windows: a picture larger than the model was made for, estimated in overlapping parts."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning
from gesso.guidance.estimates import Estimator

__all__ = ["Windowed", "spans"]

Latents = Float[Tensor, "b c h w"]


@dataclass(frozen=True)
class Windowed:
    """An estimator that asks another about one window after another and averages where they overlap.

    Each time the other is told which window it is, so that what it is shown beside can be cut to it.

    Args:
        size: height and width of a window, latent cells.
        overlap: latent cells that neighbours share at least.

    Source: Bar-Tal et al. 2023, "MultiDiffusion", arXiv:2302.08113, eq. 5 with equal weights.
    """

    estimator: Estimator
    size: tuple[int, int]
    overlap: int

    def __call__(self, x: Latents, sigma: float, cond: Conditioning) -> Latents:
        """Estimate the clean latents behind noisy ones."""
        rows, columns = (
            spans(length, window, self.overlap)
            for length, window in zip(x.shape[-2:], self.size, strict=True)
        )
        if len(rows) == len(columns) == 1:
            return self.estimator(x, sigma, cond)
        total, seen = torch.zeros_like(x), torch.zeros_like(x[:1, :1])
        for row in rows:
            for column in columns:
                where = (..., row, column)
                concat = None if cond.concat is None else cond.concat[where]
                part = replace(cond, concat=concat, window=(row, column))
                total[where] += self.estimator(x[where], sigma, part)
                seen[where] += 1
        return total / seen


def spans(length: int, window: int, overlap: int) -> list[slice]:
    """Evenly placed windows that cover a length; neighbours share at least the overlap."""
    if length <= window:
        return [slice(0, length)]
    count = -(-(length - overlap) // (window - overlap))
    starts = [round(i * (length - window) / (count - 1)) for i in range(count)]
    return [slice(start, start + window) for start in starts]
