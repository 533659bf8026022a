"""Seamless: convolutions that see a picture's one edge beyond the other, so that it can be tiled."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Axes", "seamless"]

Axes = Literal["x", "y", "both"]


@contextmanager
def seamless(network: nn.Module, axes: Axes) -> Generator[None]:
    """Wrap a network's pictures around while the block runs.

    Convolutions that pad by themselves are wrapped; one without padding of its own is left as it is.

    Args:
        axes: x joins left and right, y joins top and bottom.
    """
    with ExitStack() as undo:
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d) and layer.padding != (0, 0):
                undo.enter_context(_wrapped(layer, axes))
        yield


@contextmanager
def _wrapped(layer: nn.Conv2d, axes: Axes) -> Generator[None]:
    before = layer.padding
    assert isinstance(before, tuple), "every convolution here states its padding in numbers"
    high, wide = before[0] if axes != "x" else 0, before[1] if axes != "y" else 0

    def wrap(_: nn.Module, given: tuple[Float[Tensor, "b c h w"], ...]) -> tuple[Tensor, ...]:
        return (functional.pad(given[0], (wide, wide, high, high), mode="circular"), *given[1:])

    handle = layer.register_forward_pre_hook(wrap)
    layer.padding = (before[0] - high, before[1] - wide)
    try:
        yield
    finally:
        layer.padding = before
        handle.remove()
