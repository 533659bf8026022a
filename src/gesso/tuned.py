"""Tuned: networks whose layers run by this machine's fastest kernels for a while, and are as before after it.

Every layer that has a faster twin here is given it where its input allows; hooks and techniques on layers
act as ever, since nothing but a layer's own work is replaced. What is computed is the same up to rounding.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gesso.networks.attention import Attention, GatedProjection
from gesso.networks.structure import ActivatedNorm
from gesso.runtime.native.kernels import WIDEST, Kernels, kernels
from gesso.runtime.packing import Packer

__all__ = ["KERNELS", "in_force", "tuned"]

KERNELS = ("auto", "plain")
"""Which kernels networks run by: the fastest for this machine, or torch's own."""


def in_force(chosen: str, device: torch.device, dtype: torch.dtype) -> str:
    """What networks of such numbers run by: others than bfloat16 on a CPU know torch's own kernels alone."""
    return chosen if (device.type, dtype) == ("cpu", torch.bfloat16) else "plain"


@contextmanager
def tuned(
    networks: Iterable[nn.Module], found: Kernels | None = None, *, packs: bool = True
) -> Generator[None]:
    """Run networks by this machine's fastest kernels while the block runs.

    In bfloat16 on a CPU that multiplies it, weights are packed at their layer's first call, and stay so.

    Args:
        found: the compiled kernels; unless given, this machine's.
        packs: whether weights are packed.
    """
    found = found or kernels()
    packer = Packer()
    with ExitStack() as undo:
        for layer in (each for network in networks for each in network.modules()):
            if isinstance(layer, nn.Conv2d | nn.Linear):
                if packs:
                    undo.callback(layer.register_forward_pre_hook(packer).remove)
            elif found is not None:
                for name, twin in _twins(layer).items():
                    setattr(layer, name, partial(twin, found, layer))
                    undo.callback(layer.__dict__.pop, name, None)
        yield


PART = 2**22
"""Numbers that are projected before they are gated: 8 MiB, as the caches of two cores hold."""
Twin = Callable[..., Tensor]


def _twins(layer: nn.Module) -> dict[str, Twin]:
    """What takes the place of a layer's methods, by their names."""
    match layer:
        case Attention():
            return {"attend": _attend}
        case GatedProjection():
            return {"forward": _gated}
        case nn.GroupNorm() if layer.affine:
            return {"forward": _group_norm}
        case nn.LayerNorm() if layer.elementwise_affine and len(layer.normalized_shape) == 1:
            return {"forward": _layer_norm}
        case _:
            return {}


def _fits(*tensors: Tensor) -> bool:
    """Whether the kernels are for such numbers."""
    narrow = all(each.dtype == torch.bfloat16 and each.device.type == "cpu" for each in tensors)
    return narrow and not torch.is_grad_enabled()


def _attend(found: Kernels, layer: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    rows = all(each.stride(-1) == 1 for each in (q, k, v))
    if not (rows and _fits(q, k, v) and q.shape[-1] <= WIDEST * layer.heads):
        return type(layer).attend(layer, q, k, v)
    return found.attend(q, k, v, layer.heads)


def _gated(found: Kernels, layer: GatedProjection, x: Tensor) -> Tensor:
    """Some tokens at a time: what is projected stays in the caches until it is gated."""
    if not (_fits(x) and x.is_contiguous()):
        return type(layer).forward(layer, x)
    out = x.new_empty((*x.shape[:-1], layer.proj.out_features // 2))
    if _watched(layer.proj):
        return found.gate(layer.proj(x), out)
    some = max(1, PART // layer.proj.out_features)
    for tokens, place in zip(x.flatten(0, -2).split(some), out.flatten(0, -2).split(some), strict=True):
        found.gate(layer.proj(tokens), place)
    return out


def _watched(layer: nn.Module) -> bool:
    """Whether somebody looks at what goes through a layer, who must see all of it at once."""
    inside: Any = layer
    hooks = (*inside._forward_hooks.values(), *inside._forward_pre_hooks.values())
    return not all(isinstance(each, Packer) for each in hooks)


def _group_norm(found: Kernels, layer: nn.GroupNorm, x: Tensor) -> Tensor:
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    if not (last and _fits(x, layer.weight)):
        return type(layer).forward(layer, x)
    return found.group_norm(x, layer, activate=isinstance(layer, ActivatedNorm))


def _layer_norm(found: Kernels, layer: nn.LayerNorm, x: Tensor) -> Tensor:
    plain = not (_fits(x, layer.weight) and x.is_contiguous())
    return type(layer).forward(layer, x) if plain else found.layer_norm(x, layer)
