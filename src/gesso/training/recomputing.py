"""Gradient checkpointing: what lies inside blocks is worked out again on the way back, instead of being kept.

Source: Chen et al. 2016, arXiv:1604.06174.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from gesso.networks.attention import TransformerBlock
from gesso.networks.autoencoder import Level
from gesso.networks.clip_text import Layer
from gesso.networks.open_clip_text import ResidualBlock
from gesso.networks.unet import Block

__all__ = ["KINDS", "of_kind", "recomputing"]

KINDS: Mapping[str, tuple[type[nn.Module], ...]] = {
    "nothing": (),
    "attention": (TransformerBlock,),
    "blocks": (Block, Level, Layer, ResidualBlock),
}
"""What is worked out again, by the names that recipes use: the more, the less memory and the more time."""


@contextmanager
def recomputing(modules: Iterable[nn.Module], kind: str) -> Generator[None]:
    """Inside some blocks of these modules nothing is kept for the way back, while this block runs."""
    changed = dict.fromkeys(each for module in modules for each in of_kind(module, KINDS[kind]))
    for each in changed:
        each.forward = _again(each.forward)
    try:
        yield
    finally:
        for each in changed:
            # the class's own comes to light again
            del each.forward


def of_kind(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> Iterator[nn.Module]:
    """The outermost modules of these kinds inside a module, so that nothing is worked out three times."""
    for child in module.children():
        if isinstance(child, kinds):
            yield child
        else:
            yield from of_kind(child, kinds)


def _again(forward: Callable[..., Any]) -> Callable[..., Any]:
    return partial(checkpoint, forward, use_reentrant=False, preserve_rng_state=False)
