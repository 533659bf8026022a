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
from torch.nn import functional

from gesso.networks import autoencoder, unet
from gesso.networks.attention import Attention, FeedForward, GatedProjection
from gesso.networks.structure import ActivatedNorm, Joined
from gesso.runtime.fused import Enlarger, added, banded, convolved, product_rows
from gesso.runtime.maps import LARGE, Maps, Rows
from gesso.runtime.native.kernels import WIDEST, Kernels, kernels
from gesso.runtime.native.whole import rounder
from gesso.runtime.packing import Packed, Packer, Porter, packable
from gesso.runtime.quantized import Quantized
from gesso.runtime.tiled import Tiled

__all__ = ["KERNELS", "in_force", "tuned"]

KERNELS = ("auto", "plain")
"""Which kernels networks run by: the fastest for this machine, or torch's own."""


def in_force(chosen: str, device: torch.device, dtype: torch.dtype) -> str:
    """What networks of such numbers run by: float32 knows torch's own kernels alone."""
    return chosen if (device.type, dtype) in TUNED else "plain"


TUNED = {("cpu", torch.bfloat16), ("cuda", torch.bfloat16), ("cuda", torch.float16)}
"""Devices and numbers for which there are faster kernels."""


@contextmanager
def tuned(networks: Iterable[nn.Module], found: Kernels | None = None) -> Generator[None]:
    """Run networks by this machine's fastest kernels while the block runs.

    In bfloat16 on a CPU that multiplies it, weights are packed at their layer's first call, and stay so.
    Those that come from their file at every call are packed each time; torch would lay them out anew as well.

    Args:
        found: the compiled kernels; unless given, this machine's.
    """
    found = found or kernels()
    packer, maps = Packer(rounder(), found and found.multiplier()), Maps()
    with ExitStack() as undo:
        for layer in (each for network in networks for each in network.modules()):
            if isinstance(layer, nn.Conv2d | nn.Linear):
                undo.callback(layer.register_forward_pre_hook(packer).remove)
            if isinstance(layer, GatedProjection):
                packer.halved.add(layer.proj)
            if isinstance(layer, autoencoder.Decoder | autoencoder.Encoder):
                # what comes after it has maps of other sizes
                undo.callback(layer.register_forward_hook(maps.clear, always_call=True).remove)
            twins = {} if found is None else _twins(found, maps, layer)
            if found is not None and isinstance(layer, autoencoder.Residual):
                twins = {"forward": partial(_residual, found, packer, maps, layer)}
            for name, twin in {**twins, **_packing(packer, maps, layer)}.items():
                setattr(layer, name, twin)
                undo.callback(layer.__dict__.pop, name, None)
        yield


PART = 5 * 2**19
"""Numbers that are projected before they are gated: 5 MiB, as the caches of two cores hold."""
TOGETHER = 256
"""Tokens are projected by so many or a multiple: a product of other heights leaves the matrix unit idle."""
Twin = Callable[..., Tensor]


def _twins(found: Kernels, maps: Maps, layer: nn.Module) -> dict[str, Twin]:
    """What takes the place of a layer's methods, by their names."""
    match layer:
        case Attention():
            return {"attend": partial(_attend, found, layer)}
        case GatedProjection():
            return {"forward": partial(_gated, found, layer)}
        case nn.GroupNorm() if layer.affine:
            return {"forward": partial(_group_norm, found, maps, layer)}
        case nn.LayerNorm() if layer.elementwise_affine and len(layer.normalized_shape) == 1:
            return {"forward": partial(_layer_norm, found, layer)}
        case _:
            return {}


def _packing(packer: Packer, maps: Maps, layer: nn.Module) -> dict[str, Twin]:
    """The same of layers that gain by packed weights."""
    match layer:
        case nn.Conv2d():
            return {"forward": partial(_convolved, maps, layer)}
        case Joined():
            return {"forward": partial(_joined, maps, layer)}
        case unet.Upsample() | autoencoder.Upsample():
            return {"forward": partial(_enlarged, packer, Enlarger(maps), layer)}
        case _:
            return {}


def _convolved(maps: Maps, layer: nn.Conv2d, x: Tensor) -> Tensor:
    if isinstance(layer.weight, Packed | Tiled) and _fits(x):
        return convolved(layer, x, maps)
    return type(layer).forward(layer, x)


def _joined(maps: Maps, joint: Joined, x: Tensor, layer: nn.Module, *given: Tensor) -> Tensor:
    last = _last(layer)
    if last is None:
        return type(joint).forward(joint, x, layer, *given)
    with _instead(last, partial(_plus, maps, x, last)):
        return layer(*given)


def _last(layer: nn.Module) -> nn.Conv2d | nn.Linear | None:
    """The last layer within a layer; none where somebody looks at what only that one gives back."""
    match layer:
        case nn.Conv2d() | nn.Linear():
            last, around = layer, ()
        case Attention():
            last, around = layer.to_out[0], (layer, layer.to_out, layer.to_out[1])
        case FeedForward():
            last, around = layer.net[2], (layer, layer.net)
        case _:
            return None
    assert isinstance(last, nn.Conv2d | nn.Linear)
    return None if any(_watched(each) for each in (last, *around)) else last


def _plus(maps: Maps, x: Tensor, layer: nn.Conv2d | nn.Linear, h: Tensor) -> Tensor:
    """What was there and what a layer makes of h, whose weight is there by now, in whatever form."""
    if isinstance(layer.weight, Packed) and _fits(x, h):
        return added(x, layer, h, maps)
    if isinstance(layer, nn.Conv2d) and isinstance(layer.weight, Tiled) and _fits(x, h):
        return convolved(layer, h, maps, x)
    forward: Any = type(layer).forward
    return x + forward(layer, h)


@contextmanager
def _instead(layer: nn.Module, forward: Twin) -> Generator[None]:
    """Something else done where a layer is called."""
    own = {name: twin for name, twin in vars(layer).items() if name == "forward"}
    layer.forward = forward
    try:
        yield
    finally:
        del layer.forward
        vars(layer).update(own)


def _enlarged(
    packer: Packer, enlarger: Enlarger, layer: unet.Upsample | autoencoder.Upsample, x: Tensor, *size: Any
) -> Tensor:
    twice = not size or tuple(size[0]) == (2 * x.shape[-2], 2 * x.shape[-1])
    usual = layer.conv.kernel_size == (3, 3) and layer.conv.padding == (1, 1)
    if not (twice and usual and _fits(x) and packable(x)) or _watched(layer.conv):
        forward: Any = type(layer).forward
        return forward(layer, x, *size)
    with _instead(layer.conv, partial(_doubled, packer, enlarger, layer.conv)):
        return layer.conv(x)


def _doubled(packer: Packer, enlarger: Enlarger, conv: nn.Conv2d, x: Tensor) -> Tensor:
    """The convolution of the map at twice its size."""
    if isinstance(conv.weight, Quantized):
        # sums of its weights would be wide again
        return type(conv).forward(conv, functional.interpolate(x, scale_factor=2.0, mode="nearest"))
    return enlarger(packer, conv, x)


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
    if not (_fits(x) and x.is_contiguous()):
        return type(layer).forward(layer, x)
    if _watched(layer.proj):
        return found.gate(layer.proj(x), _half(layer.proj, x))
    with _instead(layer.proj, partial(_projected, found, layer.proj)):
        return layer.proj(x)


def _projected(found: Kernels, proj: nn.Linear, x: Tensor) -> Tensor:
    """Gated while it is summed; else some tokens at a time, which stay in the caches until then."""
    if isinstance(proj.weight, Tiled):
        return proj.weight.gated(x, proj.bias)
    out = _half(proj, x)
    some = max(TOGETHER, PART // proj.out_features // TOGETHER * TOGETHER)
    for tokens, place in zip(x.flatten(0, -2).split(some), out.flatten(0, -2).split(some), strict=True):
        found.gate(type(proj).forward(proj, tokens), place)
    return out


def _half(proj: nn.Linear, x: Tensor) -> Tensor:
    """Room for one half of what is projected."""
    return x.new_empty((*x.shape[:-1], proj.out_features // 2))


def _watched(layer: nn.Module) -> bool:
    """Whether somebody looks at what goes through a layer, who must see all of it at once."""
    inside: Any = layer
    hooks = (*inside._forward_hooks.values(), *inside._forward_pre_hooks.values())
    return not all(isinstance(getattr(each, "__self__", each), Porter) for each in hooks)


def _group_norm(found: Kernels, maps: Maps, layer: nn.GroupNorm, x: Tensor, *shift: Tensor) -> Tensor:
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    if not (last and _fits(x, layer.weight, *shift)):
        return type(layer).forward(layer, x, *shift)
    out = maps.empty(x.shape, x.dtype)
    return found.group_norm(x, layer, *shift, activate=isinstance(layer, ActivatedNorm), out=out)


def _residual(found: Kernels, packer: Packer, maps: Maps, layer: autoencoder.Residual, x: Tensor) -> Tensor:
    """Of large maps nothing is whole but what comes in, what the first convolution makes, and the end."""
    convs = [each for each in layer.children() if isinstance(each, nn.Conv2d)]
    plain = not (x.nbytes >= LARGE and _fits(x) and x.is_contiguous(memory_format=torch.channels_last))
    if plain or any(map(_watched, layer.children())):
        return type(layer).forward(layer, x)
    for each in convs:
        packer(each, (x[:, :1].expand(-1, each.in_channels, -1, -1),))
    if not all(isinstance(each.weight, Packed | Tiled) and each.stride == (1, 1) for each in convs):
        return type(layer).forward(layer, x)
    h = banded(layer.conv1, found.normed(x, layer.norm1, activate=True), maps)
    around = Rows.of(x)
    if layer.nin_shortcut is not None:
        around = product_rows(layer.nin_shortcut, around)
    return banded(layer.conv2, found.normed(h, layer.norm2, activate=True), maps, around)


def _layer_norm(found: Kernels, layer: nn.LayerNorm, x: Tensor) -> Tensor:
    plain = not (_fits(x, layer.weight) and x.is_contiguous())
    return type(layer).forward(layer, x) if plain else found.layer_norm(x, layer)
