"""Numbers as waves: how a time or a size is told to a network."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["sinusoids"]


def sinusoids(values: Float[Tensor, " n"], width: int) -> Float[Tensor, "n width"]:
    """A row of cosines, then sines, for every number, at frequencies from 1 down to nearly 1/10000.

    Computed in float32 whatever the type of the numbers: half precision cannot tell time 998 from 999.

    Args:
        values: network times (0 to 999), or sizes in pixels.
        width: length of a row, even.

    Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.5, cosines first as in the code of
    Ho et al. 2020, "Denoising Diffusion Probabilistic Models".
    """
    half = width // 2
    powers = torch.arange(half, dtype=torch.float32, device=values.device) / half
    angles = values.float()[:, None] * torch.exp(-math.log(10000.0) * powers)
    return torch.cat((angles.cos(), angles.sin()), dim=-1)
