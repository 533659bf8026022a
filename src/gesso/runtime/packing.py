"""Weights laid out once as oneDNN or our kernels multiply them; torch does it at every call of a layer.

Source: oneDNN developer guide, "Memory Format Propagation"; torch's own use of it when a graph is frozen.
"""

from collections.abc import Callable
from typing import Any, cast
from weakref import WeakSet

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.runtime.heap import give_back
from gesso.runtime.kept import Kept, pairs, taken
from gesso.runtime.native.product import Multiplier
from gesso.runtime.native.whole import Rounder
from gesso.runtime.quantized import Quantized
from gesso.runtime.tiled import Tiled, layout_of

__all__ = ["Packed", "Packer", "Porter", "packable", "unpack"]

Layer = nn.Conv2d | nn.Linear
LOOSE = 2**28
"""Bytes of plain weights let go after which the heap is given back."""


class Packed(Kept):
    """A weight in oneDNN's own layout, which holds it alone: no second copy is kept.

    Convolutions and linear layers use it as it is; the plain weight, to the bit, is made of it for others.

    Args:
        weight: the plain weight, which is not kept.
        opaque: the same in oneDNN's layout.
    """

    opaque: Tensor

    @staticmethod
    def __new__(cls: type["Packed"], weight: Tensor, opaque: Tensor) -> "Packed":
        """A tensor without numbers of its own."""
        made = cast(Packed, Kept.__new__(cls, weight))
        made.opaque = opaque
        return made

    def plain(self) -> Tensor:
        """The weight as the file has it."""
        found = self.opaque.to_dense()
        return found.contiguous(memory_format=torch.channels_last) if found.ndim == 4 else found

    def answers(self, func: Callable[..., Any]) -> Callable[..., Tensor] | None:
        """oneDNN's own product, where nobody asks for gradients."""
        return None if torch.is_grad_enabled() else _QUICK[func]


def packable(x: Tensor) -> bool:
    """Whether packing pays for what is computed from x: in bfloat16, on a processor that multiplies it."""
    if x.dtype != torch.bfloat16 or x.device.type != "cpu":
        return False
    operations = torch.ops.mkldnn
    # torch before 2.7 packs in another way
    known = hasattr(operations, "_reorder_convolution_weight")
    return known and operations._is_mkldnn_bf16_supported()


class Porter:
    """Has hooks at layers that bring, change or take weights, and look at nothing that goes through them."""


class Packer(Porter):
    """A forward pre-hook of layers that packs their weights at the first call; the plain ones are let go.

    Args:
        rounder: where given, layers whose weights are rounded multiply whole numbers.
        multiplier: where given, layers that gain by it multiply by kernels of our own.
    """

    def __init__(self, rounder: Rounder | None = None, multiplier: Multiplier | None = None) -> None:
        self.rounder = rounder
        self.multiplier = multiplier
        self.halved = WeakSet[nn.Module]()
        """Layers whose results' first half is gated by the second."""
        self._loose = 0
        self._met = WeakSet[nn.Module]()

    def __call__(self, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        """Pack the layer's weight, if that pays.

        Args:
            layer: a convolution or linear layer; one whose weight stands in for another is left alone.
            given: its input.
        """
        assert isinstance(layer, Layer)
        weight: Tensor = layer.weight
        if torch.is_grad_enabled() or not packable(given[0]) or not self._packed(layer, weight, given[0]):
            return
        if layer not in self._met:
            # a weight that comes again at every call fits where it was
            self._met.add(layer)
            self._loosened(taken(weight))

    def _loosened(self, size: int) -> None:
        self._loose += size
        if self._loose > LOOSE:
            # else the holes that plain weights leave in the heap stay resident
            self._loose = 0
            give_back()

    def _packed(self, layer: Layer, weight: Tensor, x: Tensor) -> bool:
        """Whether the weight was packed now."""
        with torch.inference_mode(mode=False), torch.no_grad():
            if isinstance(weight, Quantized):
                return self.rounder is not None and weight.multiplied(self.rounder)
            if type(weight) is not nn.Parameter:
                return False
            layer.weight = cast(nn.Parameter, self._laid_out(layer, weight, x))
            return True

    def _laid_out(self, layer: Layer, weight: Tensor, x: Tensor) -> Packed | Tiled:
        layout = layout_of(layer, halved=layer in self.halved)
        if self.multiplier is None or layout is None:
            return Packed(weight, _reordered(layer, x))
        return Tiled(weight, layout, self.multiplier)


def unpack(network: nn.Module) -> None:
    """Give a network's layers their plain weights back, to the bit, so that they can be learnt with again."""
    packed = [
        layer for layer in network.modules() if isinstance(getattr(layer, "weight", None), Packed | Tiled)
    ]
    for layer in packed:
        weight = cast(Packed | Tiled, layer.weight)
        with torch.no_grad():
            # in the very order that it had, by which torch chooses kernels
            plain = torch.empty_strided(
                weight.shape, weight.stride(), dtype=weight.dtype, device=weight.device
            )
            layer.weight = nn.Parameter(plain.copy_(weight.plain()), requires_grad=False)
    if packed:
        give_back()


def _reordered(layer: Layer, x: Tensor) -> Tensor:
    """The layer's weight as oneDNN wants it for such an input."""
    weight, operations = layer.weight.data, torch.ops.mkldnn
    if isinstance(layer, nn.Linear):
        return operations._reorder_linear_weight(weight, x.shape[:-1].numel())
    how = (layer.padding, layer.stride, layer.dilation, layer.groups)
    return operations._reorder_convolution_weight(weight, *how, x.shape)


def _linear(x: Float[Tensor, "*n i"], weight: Packed, bias: Tensor | None = None) -> Float[Tensor, "*n o"]:
    return torch.ops.mkldnn._linear_pointwise(x, weight.opaque, bias, "none", [], "")


def _convolution(
    x: Float[Tensor, "b i h w"],
    weight: Packed,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Float[Tensor, "b o h2 w2"]:
    how = pairs(padding, stride, dilation)
    last = x.contiguous(memory_format=torch.channels_last)
    return torch.ops.mkldnn._convolution_pointwise(last, weight.opaque, bias, *how, groups, "none", [], "")


_QUICK: dict[Callable[..., Any], Callable[..., Tensor]] = {
    functional.linear: _linear,
    functional.conv2d: _convolution,
}
