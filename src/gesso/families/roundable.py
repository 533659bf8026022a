"""Which of a network's weights may be rounded to few bits, and what they then take."""

import math
from collections.abc import Collection, Mapping

import torch
from torch import nn

from gesso.runtime.quantized import Grid

__all__ = ["expected", "narrowed", "roundable"]

NARROW = 16
"""Channels below which a layer is a network's first or last: it takes little, and what it rounds, all see."""
TOLD = frozenset({"time_embed", "label_emb", "emb_layers"})
"""What tells a UNet's layers the time and sizes: one row for a whole picture."""


def roundable(network: nn.Module) -> frozenset[str]:
    """Names of weights of layers that multiply rows or maps of features."""
    layers = ((name, layer) for name, layer in network.named_modules() if _multiplies(layer))
    return frozenset(f"{name}.weight" for name, _ in layers if TOLD.isdisjoint(name.split(".")))


def _multiplies(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear | nn.Conv2d) and min(layer.weight.shape[:2]) >= NARROW


def expected(network: nn.Module, grids: Collection[Grid], dtype: torch.dtype) -> int:
    """About the bytes that a network's weights take, if all that may be are rounded to the narrowest grid."""
    shares = narrowed(network, grids, dtype)
    return round(
        sum(
            each.numel() * dtype.itemsize * shares.get(name, 1.0) for name, each in network.named_parameters()
        )
    )


def narrowed(network: nn.Module, grids: Collection[Grid], dtype: torch.dtype) -> Mapping[str, float]:
    """About what share of its bytes each weight takes that is rounded to the narrowest grid."""
    bits = next((grid.bits + 8 * dtype.itemsize / (grid.group or math.inf) for grid in grids), None)
    return {} if bits is None else dict.fromkeys(roundable(network), bits / 8 / dtype.itemsize)
