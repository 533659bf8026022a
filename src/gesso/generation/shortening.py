"""Shortening: the shortcuts of one pass, at work inside the network."""

from dataclasses import dataclass

from torch import nn

from gesso.denoiser import Control
from gesso.families.work import largest_looking
from gesso.generation.passes import Pass
from gesso.guidance.block_cache import BlockCache, Due, changed, periodic
from gesso.guidance.token_merging import TokenMerging
from gesso.model import sizes
from gesso.networks.attention import Attention
from gesso.request import Caching

__all__ = ["Shortened", "shortened"]


@dataclass(frozen=True)
class Shortened:
    """What leaves work out of one pass over one picture.

    Args:
        each: the pass.
        cache: lets inner blocks rest.
        merging: lets tokens look for others.
    """

    each: Pass
    cache: BlockCache | None = None
    merging: TokenMerging | None = None

    @property
    def controls(self) -> tuple[Control, ...]:
        """Those that there are, to act before all others."""
        return tuple(each for each in (self.merging, self.cache) if each is not None)

    @property
    def spared(self) -> int:
        """Rows for which inner blocks rested, beyond those that the plan counts as resting."""
        return 0 if self.cache is None else self.each.inner_evaluations - self.cache.computed

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, once the pass is over."""
        if self.cache is None:
            return ()
        return (f"inner blocks ran for {self.cache.computed} of {self.each.evaluations} rows",)


def shortened(network: nn.Module, each: Pass) -> Shortened:
    """The shortcuts of a pass, put before its network."""
    asked = each.shortcuts
    cache = None if asked.caching is None else BlockCache(asked.caching.depth, _due(asked.caching))
    merging = TokenMerging(_looking(network), asked.token_merging) if asked.token_merging else None
    return Shortened(each, cache, merging)


def _due(asked: Caching) -> Due:
    if asked.every is not None:
        return periodic(asked.every)
    assert asked.threshold is not None
    return changed(asked.threshold)


def _looking(network: nn.Module) -> tuple[Attention, ...]:
    """The self-attention layers of the largest map that has some."""
    largest = largest_looking(sizes(network))
    return tuple(
        layer
        for name, layer in network.named_modules()
        if name.endswith(".attn1")
        and isinstance(layer, Attention)
        and ".".join(name.split(".")[:2]) in largest
    )
