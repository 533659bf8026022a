"""Rounding by chance: what is lost in one step is right on average over many.

Source: Gupta et al. 2015, arXiv:1502.02551, section 3; for bfloat16 weights Zamirai et al. 2020,
arXiv:2010.06192.
"""

import torch
from torch import Tensor

__all__ = ["rounded"]

DRAWN = 2**18
"""So many numbers are drawn at most; drawing is slow, and chances far apart in a tensor may be alike."""
LOW = 2**16
"""bfloat16 is the upper half of float32's bits."""


def rounded(wide: Tensor, generator: torch.Generator) -> Tensor:
    """To bfloat16, up or down with the chance of how near each is.

    Args:
        wide: float32, finite.
        generator: of the CPU.
    """
    bits = wide.contiguous().flatten().view(torch.int32)
    drawn = torch.randint(0, LOW, (min(DRAWN, len(bits)),), dtype=torch.int32, generator=generator)
    drawn = drawn.to(bits.device)
    found = torch.empty(len(bits), dtype=torch.bfloat16, device=bits.device)
    for first in range(0, len(bits), DRAWN):
        part = bits[first : first + DRAWN]
        # what is added carries into the upper half as often as the lower half is large; then it is cut off
        up = (part + drawn[: len(part)]) & -LOW
        found[first : first + len(part)] = up.view(torch.float32).to(torch.bfloat16)
    return found.view(wide.shape)
