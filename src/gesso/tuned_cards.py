"""Tuned on cards: the same as `tuned`, on graphics cards that compute in 16 bits."""

from collections.abc import Callable, Container, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks import autoencoder, clip_text, open_clip_text, unet
from gesso.networks.attention import Attention, GatedProjection, SpatialTransformer, TransformerBlock
from gesso.networks.structure import ActivatedNorm, Joined
from gesso.runtime.gpu.attention import quick_attention
from gesso.runtime.gpu.graphs import Answer, Replayed
from gesso.runtime.gpu.kernels import FEW, CardKernels, card_kernels
from gesso.runtime.merging import Merging

__all__ = ["CardTwins"]

Twin = Callable[..., Answer]


class CardTwins:
    """The faster twins of networks' layers, which act for a while.

    They are made once: what a recording of a network reads of them must stay where it is.

    Args:
        found: the kernels; unless given, those of this machine.
        records: whether text encoders may be recorded, which keeps the memory that they work in.
    """

    def __init__(self, found: CardKernels | None = None, *, records: bool = True) -> None:
        self.found = found or card_kernels()
        self.records = records
        self._known: dict[nn.Module, list[tuple[nn.Module, str, Twin]]] = {}

    @contextmanager
    def acting(self, networks: Iterable[nn.Module], passing: Container[nn.Module] = ()) -> Generator[None]:
        """Run networks by a card's fastest kernels while the block runs.

        Args:
            passing: those of them whose weights come and go; the others' are laid together where the same
                tokens pass through them, and stay so.
        """
        with ExitStack() as undo:
            undo.enter_context(quick_attention(torch.device("cuda")))
            for network in networks:
                for layer, name, twin in self._of(network, passes=network in passing):
                    setattr(layer, name, twin)
                    undo.callback(layer.__dict__.pop, name, None)
            yield

    def _of(self, network: nn.Module, *, passes: bool) -> list[tuple[nn.Module, str, Twin]]:
        if self.found is None:
            return []
        if network not in self._known:
            said = None if passes else Said(self.found, network)
            self._known[network] = [
                (layer, name, twin)
                for layer in network.modules()
                for name, twin in {
                    **_twins(self.found, layer),
                    **_joining(said, layer),
                    **(_recording(layer) if self.records and not passes else {}),
                }.items()
            ]
        return self._known[network]


def _twins(found: CardKernels, layer: nn.Module) -> dict[str, Twin]:  # noqa: PLR0911 - a table
    """What takes the place of a layer's methods, by their names."""
    match layer:
        case Attention():
            return {"attend": partial(_attend, found, layer)}
        case GatedProjection():
            return {"forward": partial(_gated, found, layer)}
        case SpatialTransformer():
            return {"thought": partial(_thought, found, layer)}
        case nn.GroupNorm() if layer.affine:
            return {"forward": partial(_group_norm, found, layer)}
        case nn.LayerNorm() if layer.elementwise_affine and len(layer.normalized_shape) == 1:
            return {"forward": partial(_layer_norm, found, layer)}
        case Joined():
            return {"forward": partial(_joined, found, layer)}
        case unet.ResBlock():
            return {"forward": partial(_res_block, found, layer)}
        case autoencoder.Residual():
            return {"forward": partial(_residual, found, layer)}
        case unet.Upsample() | autoencoder.Upsample():
            return {"forward": partial(_Enlarging(found), layer)}
        case _:
            return {}


def _joining(said: "Said | None", layer: nn.Module) -> dict[str, Twin]:
    """The same of layers that gain by weights that lie together."""
    match layer:
        case Attention() if said is not None:
            return {"looked": partial(_looked, said, layer)}
        case unet.UNet() if said is not None:
            return {"forward": partial(said.told, layer)}
        case _:
            return {}


def _last(x: Tensor) -> bool:
    return x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)


def _recording(layer: nn.Module) -> dict[str, Twin]:
    """The same of text encoders' blocks, which are small and many."""
    if not isinstance(layer, clip_text.Encoder | open_clip_text.Transformer):
        return {}
    return {"forward": partial(_replayed, layer, Replayed(layer, partial(type(layer).forward, layer)))}


def _replayed(layer: nn.Module, replayed: Replayed, x: Tensor) -> Answer:
    if x.device.type != "cuda" or torch.is_grad_enabled():
        return type(layer).forward(layer, x)
    with replayed.steady():
        return replayed(x)


def _watched(layer: nn.Module) -> bool:
    """Whether somebody looks at what goes through a layer."""
    inside: Any = layer
    return bool(inside._forward_hooks or inside._forward_pre_hooks)


def _attend(found: CardKernels, layer: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    rows = all(each.stride(-1) == 1 for each in (q, k, v))
    if not (rows and found.fits(q, k, v) and k.shape[1] <= FEW):
        return type(layer).attend(layer, q, k, v)
    return found.attend(q, k, v, layer.heads)


def _gated(found: CardKernels, layer: GatedProjection, x: Tensor) -> Tensor:
    if not found.fits(x):
        return type(layer).forward(layer, x)
    both = layer.proj(x)
    return found.gate(both, both.new_empty((*both.shape[:-1], both.shape[-1] // 2)))


def _thought(found: CardKernels, layer: SpatialTransformer, tokens: Tensor, context: Tensor) -> Tensor:
    """What was there is added where the next norm reads it."""
    blocks = cast(list[TransformerBlock], list(layer.transformer_blocks))
    every = (
        part for block in blocks for part in (block, block.norm1, block.norm2, block.norm3, block.joined)
    )
    fits = blocks and tokens.is_contiguous() and found.fits(tokens, blocks[0].norm1.weight)
    if not fits or any(map(_watched, every)):
        return type(layer).thought(layer, tokens, context)
    seen = blocks[0].norm1(tokens)
    for block, following in zip(blocks, (*blocks[1:], None), strict=True):
        tokens, seen = found.added_norm(tokens, block.attn1(seen, seen), block.norm2)
        tokens, seen = found.added_norm(tokens, block.attn2(seen, context), block.norm3)
        if following is not None:
            tokens, seen = found.added_norm(tokens, block.ff(seen), following.norm1)
    return blocks[-1].joined(tokens, blocks[-1].ff, seen)


def _group_norm(found: CardKernels, layer: nn.GroupNorm, x: Tensor, *shift: Tensor) -> Tensor:
    if not (_last(x) and found.fits(x, layer.weight, *shift)):
        return type(layer).forward(layer, x, *shift)
    return found.group_norm(x, layer, *shift, activate=isinstance(layer, ActivatedNorm))


def _layer_norm(found: CardKernels, layer: nn.LayerNorm, x: Tensor) -> Tensor:
    plain = not (found.fits(x, layer.weight) and x.is_contiguous())
    return type(layer).forward(layer, x) if plain else found.layer_norm(x, layer)


def _joined(found: CardKernels, joint: Joined, x: Tensor, layer: nn.Module, *given: Tensor) -> Tensor:
    """A convolution's bias is added with what was there: its library would do so in a pass of its own."""
    if not (isinstance(layer, nn.Conv2d) and _bare(layer) and found.fits(x, *given) and _last(x)):
        return type(joint).forward(joint, x, layer, *given)
    h = _unbiased(layer, *given)
    return found.added(x, h, layer.bias) if h.stride() == x.stride() else x + layer(*given)


def _bare(layer: nn.Conv2d) -> bool:
    return not _watched(layer) and layer.padding_mode == "zeros"


def _unbiased(layer: nn.Conv2d, x: Tensor) -> Tensor:
    how: Any = (layer.stride, layer.padding, layer.dilation, layer.groups)
    return functional.conv2d(x, layer.weight, None, *how)


def _res_block(found: CardKernels, layer: unet.ResBlock, x: Tensor, emb: Tensor) -> Tensor:
    """The first convolution's bias goes with the time."""
    before, _, first = layer.in_layers
    norm, *_, last = layer.out_layers
    assert isinstance(first, nn.Conv2d)
    if first.bias is None or _watched(layer.in_layers) or not (_bare(first) and found.fits(x)):
        return type(layer).forward(layer, x, emb)
    h = norm(_unbiased(first, before(x)), layer.emb_layers(emb) + first.bias)
    return layer.joined(layer.skip_connection(x), last, h)


def _residual(found: CardKernels, layer: autoencoder.Residual, x: Tensor) -> Tensor:
    """The first convolution's bias goes with the norm after it."""
    first = layer.conv1
    if first.bias is None or not (_bare(first) and found.fits(x)):
        return type(layer).forward(layer, x)
    h = layer.norm2(_unbiased(first, layer.norm1(x)), first.bias.expand(x.shape[0], -1))
    around = x if layer.nin_shortcut is None else layer.nin_shortcut(x)
    return layer.joined(around, layer.conv2, h)


class _Enlarging:
    """A twin of enlargements: the convolution of the small map."""

    def __init__(self, found: CardKernels) -> None:
        self.found = found
        self._merging = Merging()

    def __call__(self, layer: unet.Upsample | autoencoder.Upsample, x: Tensor, *size: Any) -> Tensor:
        """The layer's output."""
        conv = layer.conv
        forward: Any = type(layer).forward
        twice = not size or tuple(size[0]) == (2 * x.shape[-2], 2 * x.shape[-1])
        usual = conv.kernel_size == (3, 3) and conv.padding == (1, 1) and type(conv.weight) is nn.Parameter
        if not (twice and usual and _bare(conv) and self.found.fits(x) and _last(x)):
            return forward(layer, x, *size)
        return self.found.placed(_unbiased(self._merging(conv), x), conv.bias)


class Said:
    """What the words say to each layer: keys and values for all layers in one product.

    Args:
        network: whose layers look at words.
    """

    def __init__(self, found: CardKernels, network: nn.Module) -> None:
        self.found = found
        named = network.named_modules()
        self.layers = [each for name, each in named if name.endswith("attn2") and isinstance(each, Attention)]
        self.known: dict[Attention, tuple[Tensor, Tensor]] = {}
        self.context: Tensor | None = None

    def told(self, network: unet.UNet, x: Tensor, t: Tensor, context: Tensor, *more: Any) -> Tensor:
        """The network's answer."""
        parts = [part for layer in self.layers for part in (layer.to_k, layer.to_v)]
        alike = len({part.in_features for part in parts}) == 1
        if alike and self.found.fits(context) and all(map(_alone, parts)):
            self.context, every = context, functional.linear(context, _together(parts))
            pairs = every.split([part.out_features for part in parts], dim=-1)
            self.known = dict(zip(self.layers, zip(pairs[::2], pairs[1::2], strict=True), strict=True))
        try:
            return type(network).forward(network, x, t, context, *more)
        finally:
            self.known, self.context = {}, None


def _looked(said: Said, layer: Attention, x: Tensor, context: Tensor) -> Tensor:
    """Queries, keys and values of the same tokens in one product."""
    if context is said.context and layer in said.known:
        return layer.attend(layer.to_q(x), *said.known[layer])
    parts = [layer.to_q, layer.to_k, layer.to_v]
    if x is not context or not said.found.fits(x) or not all(map(_alone, parts)):
        return type(layer).looked(layer, x, context)
    widths = [each.out_features for each in parts]
    return layer.attend(*functional.linear(x, _together(parts)).split(widths, dim=-1))


def _alone(layer: nn.Linear) -> bool:
    """Whether a layer is a plain product that nobody looks at or learns."""
    weight: Tensor = layer.weight
    bias = cast(Tensor | None, layer.bias)
    plain = type(weight) is nn.Parameter and not weight.requires_grad and bias is None
    return plain and not _watched(layer)


def _together(layers: Sequence[nn.Linear]) -> Tensor:
    """The layers' weights one below the other; they are laid so at the first call, without a second copy."""
    weights = [each.weight.data for each in layers]
    rows, width = sum(len(each) for each in weights), weights[0].shape[1]
    if _in_line(weights):
        return weights[0].as_strided((rows, width), (width, 1))
    with torch.inference_mode(mode=False), torch.no_grad():
        joined = torch.cat(weights)
        for layer, part in zip(layers, joined.split([len(each) for each in weights]), strict=True):
            layer.weight.data = part
        return joined


def _in_line(weights: Sequence[Tensor]) -> bool:
    """Whether each begins where the one before ends, in memory of one piece."""
    home, place = weights[0].untyped_storage().data_ptr(), weights[0].data_ptr()
    for each in weights:
        if each.data_ptr() != place or each.untyped_storage().data_ptr() != home or not each.is_contiguous():
            return False
        place += each.nbytes
    return True
