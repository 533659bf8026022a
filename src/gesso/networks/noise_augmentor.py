"""The noise augmentor of unCLIP models: a picture's vector with noise on it, and the noise's level beside it.

Source: Ramesh et al. 2022, arXiv:2204.06125, section 2.1; Stability-AI/stablediffusion,
`ldm/modules/encoders/modules.py`, CLIPEmbeddingNoiseAugmentation, with a cosine schedule of 1000 levels.
"""

from math import cos, pi

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.networks.embeddings import sinusoids
from gesso.networks.structure import Shapes, parameter

__all__ = ["LEVELS", "NoiseAugmentor"]

LEVELS = 1000
"""How many levels of noise there are; 0 is the least."""


class NoiseAugmentor(nn.Module):
    """Puts noise on pictures' vectors.

    Args:
        shapes: names and sizes relative to it: `data_mean` and `data_std`, [1 d].
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.data_mean = parameter(shapes, "data_mean", 2)
        self.data_std = parameter(shapes, "data_std", 2)

    def forward(
        self, vectors: Float[Tensor, "b d"], level: int, noise: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b d2"]:
        """The vectors with noise on them, then waves that tell its level.

        Args:
            level: 0 to LEVELS - 1.
            noise: unit noise.
        """
        kept = _kept(level)
        normal = (vectors - self.data_mean) / self.data_std
        noisy = normal * kept**0.5 + noise * (1.0 - kept) ** 0.5
        told = sinusoids(torch.full((len(vectors),), float(level), device=vectors.device), vectors.shape[1])
        return torch.cat([noisy * self.data_std + self.data_mean, told.to(vectors)], dim=1)


def _kept(level: int) -> float:
    """Which share of the variance is the vector's own at a level.

    Source: Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 17, no level with more noise than 0.999.
    """
    share = 1.0
    for i in range(level + 1):
        share *= 1.0 - min(1.0 - _curve((i + 1) / LEVELS) / _curve(i / LEVELS), 0.999)
    return share


def _curve(t: float) -> float:
    return cos((t + 0.008) / 1.008 * pi / 2) ** 2
