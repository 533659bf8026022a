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

from gesso.networks import autoencoder, unet
from gesso.networks.attention import Attention, FeedForward, GatedProjection
from gesso.networks.structure import ActivatedNorm, Joined
from gesso.runtime.fused import Enlarger, added
from gesso.runtime.native.kernels import WIDEST, Kernels, kernels
from gesso.runtime.native.whole import rounder
from gesso.runtime.packing import Packed, Packer, packable
from gesso.runtime.quantized import Quantized

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
        packs: whether weights are packed that are not rounded.
    """
    found = found or kernels()
    packer = Packer(rounder(), packs=packs)
    with ExitStack() as undo:
        for layer in (each for network in networks for each in network.modules()):
            if isinstance(layer, nn.Conv2d | nn.Linear):
                undo.callback(layer.register_forward_pre_hook(packer).remove)
                continue
            twins = {} if found is None else _twins(found, layer)
            for name, twin in {**twins, **(_packing(packer, layer) if packs else {})}.items():
                setattr(layer, name, twin)
                undo.callback(layer.__dict__.pop, name, None)
        yield


PART = 5 * 2**19
"""Numbers that are projected before they are gated: 5 MiB, as the caches of two cores hold."""
TOGETHER = 256
"""Tokens are projected by so many or a multiple: a product of other heights leaves the matrix unit idle."""
Twin = Callable[..., Tensor]


def _twins(found: Kernels, layer: nn.Module) -> dict[str, Twin]:
    """What takes the place of a layer's methods, by their names."""
    match layer:
        case Attention():
            return {"attend": partial(_attend, found, layer)}
        case GatedProjection():
            return {"forward": partial(_gated, found, layer)}
        case nn.GroupNorm() if layer.affine:
            return {"forward": partial(_group_norm, found, layer)}
        case nn.LayerNorm() if layer.elementwise_affine and len(layer.normalized_shape) == 1:
            return {"forward": partial(_layer_norm, found, layer)}
        case _:
            return {}


def _packing(packer: Packer, layer: nn.Module) -> dict[str, Twin]:
    """The same of layers that gain by packed weights."""
    match layer:
        case Joined():
            return {"forward": partial(_joined, packer, layer)}
        case unet.Upsample() | autoencoder.Upsample():
            return {"forward": partial(_enlarged, packer, Enlarger(), layer)}
        case _:
            return {}


def _joined(packer: Packer, joint: Joined, x: Tensor, layer: nn.Module, *given: Tensor) -> Tensor:
    last, inputs = _ending(layer, given)
    if last is None or _watched(last):
        return type(joint).forward(joint, x, layer, *given)
    packer(last, inputs)
    if not (isinstance(last.weight, Packed) and _fits(x, *inputs)):
        return x + last(*inputs)
    return added(x, last, *inputs)


def _ending(
    layer: nn.Module, given: tuple[Tensor, ...]
) -> tuple[nn.Conv2d | nn.Linear | None, tuple[Tensor, ...]]:
    """The last layer within a layer and what it is given; none where somebody looks at more than that."""
    match layer:
        case nn.Conv2d() | nn.Linear():
            return layer, given
        case Attention() if not _watched(layer) and not _watched(layer.to_out):
            last = layer.to_out[0]
            assert isinstance(last, nn.Linear)
            return last, ((layer.gather or layer.looked)(*given),)
        case FeedForward() if not _watched(layer) and not _watched(layer.net):
            last = layer.net[2]
            assert isinstance(last, nn.Linear)
            return last, (layer.net[0](*given),)
        case _:
            return None, given


def _enlarged(
    packer: Packer, enlarger: Enlarger, layer: unet.Upsample | autoencoder.Upsample, x: Tensor, *size: Any
) -> Tensor:
    twice = not size or tuple(size[0]) == (2 * x.shape[-2], 2 * x.shape[-1])
    usual = layer.conv.kernel_size == (3, 3) and layer.conv.padding == (1, 1)
    if twice and usual and _merges(layer.conv) and _fits(x) and packable(x):
        return enlarger(packer, layer.conv, x)
    forward: Any = type(layer).forward
    return forward(layer, x, *size)


def _merges(conv: nn.Conv2d) -> bool:
    """Whether sums of its weights may take its place: those of few bits would be wide again."""
    return not isinstance(conv.weight, Quantized) and not _watched(conv)


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
    some = max(TOGETHER, PART // layer.proj.out_features // TOGETHER * TOGETHER)
    for tokens, place in zip(x.flatten(0, -2).split(some), out.flatten(0, -2).split(some), strict=True):
        found.gate(layer.proj(tokens), place)
    return out


def _watched(layer: nn.Module) -> bool:
    """Whether somebody looks at what goes through a layer, who must see all of it at once."""
    inside: Any = layer
    hooks = (*inside._forward_hooks.values(), *inside._forward_pre_hooks.values())
    return not all(isinstance(each, Packer) for each in hooks)


def _group_norm(found: Kernels, layer: nn.GroupNorm, x: Tensor, *shift: Tensor) -> Tensor:
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    if not (last and _fits(x, layer.weight, *shift)):
        return type(layer).forward(layer, x, *shift)
    return found.group_norm(x, layer, *shift, activate=isinstance(layer, ActivatedNorm))


def _layer_norm(found: Kernels, layer: nn.LayerNorm, x: Tensor) -> Tensor:
    plain = not (_fits(x, layer.weight) and x.is_contiguous())
    return type(layer).forward(layer, x) if plain else found.layer_norm(x, layer)
