"""Regions: estimates that count at their own places of the picture."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Maps", "maps", "merged"]

Maps = tuple[Float[Tensor, "1 1 h w"], ...]
"""How much each estimate counts at each latent cell, the base first; they add up to 1 everywhere."""


def maps(areas: Sequence[Float[Tensor, "1 1 h w"]], base: float) -> Maps:
    """How much the base and each region count where.

    Args:
        areas: each region's weight at every place, 0 outside of it; at least one.
        base: share of the base wherever a region is, 0…1; elsewhere the base is alone.
    """
    total = torch.stack(list(areas)).sum(0)
    covered = total > 0
    share = torch.where(covered, base, 1.0)
    rest = (1.0 - share) / torch.where(covered, total, torch.ones_like(total))
    return share, *(area * rest for area in areas)


def merged(estimates: Sequence[Float[Tensor, "b c h w"]], counts: Maps) -> Float[Tensor, "b c h w"]:
    """One estimate from several, each where it counts; where one counts alone it is itself, to the bit.

    Source: Bar-Tal et al. 2023, arXiv:2302.08113, eq. 5.
    """
    found = torch.zeros_like(estimates[0])
    for estimate, count in zip(estimates, counts, strict=True):
        found = torch.where(count == 0, found, found + count * estimate)
    for estimate, count in zip(estimates, counts, strict=True):
        found = torch.where(count == 1, estimate, found)
    return found
