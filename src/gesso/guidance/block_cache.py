"""The block cache: what a network's inner blocks made of one step, used again in the next ones.

Source: Ma et al. 2023, "DeepCache", arXiv:2312.00858, section 3.2, for computing every so many steps; for
deciding by how much the first blocks' result has changed, Liu et al. 2024, "TeaCache", arXiv:2411.19108,
eq. 4, and chengzeyi/ParaAttention, first-block cache.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning
from gesso.denoiser import Call
from gesso.networks.unet import UNet, within

__all__ = ["BlockCache", "Due", "Kept", "changed", "periodic"]


@dataclass(frozen=True)
class Kept:
    """What was computed last.

    Args:
        told: what each row was told.
        given: what the inner blocks were given.
        made: what they made of it.
        used: how often that was used again.
    """

    told: Conditioning
    given: Float[Tensor, "b c h w"]
    made: Float[Tensor, "b d h w"]
    used: int = 0


Due = Callable[[Kept, Tensor], bool]
"""(what was computed last, what the inner blocks are given now) → whether they are to be computed again."""


def periodic(every: int) -> Due:
    """Computed in every so many calls."""
    return lambda kept, _: kept.used + 1 >= every


def changed(threshold: float) -> Due:
    """Computed again once what is given differs by more than a share of what it was."""

    def due(kept: Kept, given: Tensor) -> bool:
        before = kept.given.float()
        return bool((given.float() - before).abs().mean() > threshold * before.abs().mean())

    return due


class BlockCache:
    """A control that lets a network's inner blocks rest.

    They are computed whenever other rows are asked for, or these are told other words. A cache is for one
    run of one network, called once for every step.

    Args:
        depth: blocks that lie around the inner ones, on the way down and as many on the way up.
        due: when to compute again.
    """

    def __init__(self, depth: int, due: Due) -> None:
        self.depth = depth
        self.due = due
        self.computed = 0
        self.kept: Kept | None = None

    @contextmanager
    def during(self, call: Call) -> Generator[None]:
        """Decide while the network is called."""
        network = call.network
        assert isinstance(network, UNet)
        with within(network, partial(self._inner, call.cond)):
            yield

    def _inner(self, told: Conditioning, depth: int, x: Tensor, compute: Callable[[], Tensor]) -> Tensor:
        if depth != self.depth:
            return compute()
        kept = self.kept
        if kept is not None and _alike(kept.told, told) and not self.due(kept, x):
            self.kept = replace(kept, used=kept.used + 1)
            return kept.made
        made = compute()
        self.computed += len(told)
        self.kept = Kept(told, x, made)
        return made


def _alike(one: Conditioning, other: Conditioning) -> bool:
    """Whether rows are the same and are told the same words."""
    same = one.roles == other.roles and one.context.shape == other.context.shape
    return same and torch.equal(one.context, other.context)
