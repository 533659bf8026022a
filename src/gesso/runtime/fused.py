"""Layers and what comes before or after them in one go: fewer readings and writings of large maps.

Source: oneDNN developer guide, "Primitive Attributes: Post-ops".
"""

from itertools import product
from weakref import ref

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.runtime.kept import pairs
from gesso.runtime.packing import Packed, Packer

__all__ = ["Enlarger", "added"]


def added(
    x: Float[Tensor, "b ..."], layer: nn.Conv2d | nn.Linear, h: Float[Tensor, "b ..."]
) -> Float[Tensor, "b ..."]:
    """What was there and what a layer of packed weight makes of h: x + layer(h), rounded once."""
    assert isinstance(layer.weight, Packed)
    operations, opaque = torch.ops.mkldnn, layer.weight.opaque
    if isinstance(layer, nn.Linear):
        return operations._linear_pointwise.binary(h, x, opaque, layer.bias, "add")
    h = h.contiguous(memory_format=torch.channels_last)
    how = pairs(layer.padding, layer.stride, layer.dilation)
    rest = (layer.groups, "add", 1.0, None, [], None)
    return operations._convolution_pointwise.binary(h, x, opaque, layer.bias, *how, *rest)


class Enlarger:
    """A 3 x 3 convolution of a map that is twice as large by repetition, from the map itself.

    Of the nine pixels that such a convolution looks at, four differ. Each of the four pixels that one becomes
    is a 2 x 2 convolution of the smaller map whose weights are sums, in 16 instead of 36 products. The four
    are taken at once and put in their places. Sums are rounded to the weight's type, and kept as long as the
    weight that they are of.
    """

    def __init__(self) -> None:
        self._weight: ref[Tensor] | None = None
        self._made: nn.Conv2d | None = None

    def __call__(
        self, packer: Packer, conv: nn.Conv2d, x: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b d h2 w2"]:
        """The convolution of the enlarged map."""
        wide = self._wide(conv)
        packer(wide, (x,))
        four = wide(x)
        rows, columns = x.shape[-2:]
        size = (x.shape[0], conv.out_channels, 2 * rows, 2 * columns)
        out = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
        for place, (down, right) in zip(four.chunk(4, dim=1), product((0, 1), repeat=2), strict=True):
            out[:, :, down::2, right::2] = place[:, :, down : down + rows, right : right + columns]
        return out

    def _wide(self, conv: nn.Conv2d) -> nn.Conv2d:
        if self._made is None or self._weight is None or self._weight() is not conv.weight:
            self._made = _merged(conv)
            self._weight = ref(conv.weight, self._gone)
        return self._made

    def _gone(self, weight: "ref[Tensor]") -> None:
        if weight is self._weight:
            self._weight = self._made = None


def _merged(conv: nn.Conv2d) -> nn.Conv2d:
    """The four 2 x 2 convolutions as one with four times the channels, one more pixel high and wide."""
    weight = conv.weight.detach().float()
    merged = torch.cat([each for upper_or_lower in _two(weight, 2) for each in _two(upper_or_lower, 3)])
    with torch.device("meta"):
        wide = nn.Conv2d(conv.in_channels, 4 * conv.out_channels, 2, padding=1, bias=conv.bias is not None)
    wide.weight = nn.Parameter(merged.to(conv.weight.dtype), requires_grad=False)
    if conv.bias is not None:
        wide.bias = nn.Parameter(conv.bias.detach().repeat(4), requires_grad=False)
    return wide


def _two(weight: Float[Tensor, "o i ..."], side: int) -> tuple[Tensor, Tensor]:
    """Of two pixels that one becomes, the first sees a neighbour, then its own twice; the second reversed."""
    before, here, after = weight.unbind(side)
    return torch.stack((before, here + after), side), torch.stack((before + here, after), side)
