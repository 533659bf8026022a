"""Layers and what comes before or after them in one go: fewer readings and writings of large maps.

Source: oneDNN developer guide, "Primitive Attributes: Post-ops".
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.runtime.kept import pairs
from gesso.runtime.maps import LARGE, Maps, Rows
from gesso.runtime.merging import Merging
from gesso.runtime.packing import Packed, Packer
from gesso.runtime.tiled import Tiled

__all__ = ["Enlarger", "added", "banded", "convolved", "product_rows"]


ADDED = ("add", 1.0, None, [], None)
"""How oneDNN is told that something is added."""
BAND = 3 * 2**23
"""About the bytes that a convolution of a large map reads and writes at a time: they stay in the caches."""


def added(
    x: Float[Tensor, "b ..."], layer: nn.Conv2d | nn.Linear, h: Float[Tensor, "b ..."], maps: Maps
) -> Float[Tensor, "b ..."]:
    """What was there and what a layer of packed weight makes of h: x + layer(h), rounded once."""
    assert isinstance(layer.weight, Packed)
    if isinstance(layer, nn.Linear):
        return torch.ops.mkldnn._linear_pointwise.binary(h, x, layer.weight.opaque, layer.bias, "add")
    return convolved(layer, h, maps, x)


def convolved(
    layer: nn.Conv2d, h: Float[Tensor, "b c h w"], maps: Maps, x: Float[Tensor, "b d h2 w2"] | None = None
) -> Float[Tensor, "b d h2 w2"]:
    """What a convolution of packed weight makes of h, and x, if there is one, added."""
    seen = Rows.of(h)
    plain = pairs(layer.stride, layer.dilation) == [(1, 1), (1, 1)]
    if plain and product_rows(layer, seen).size.numel() * h.itemsize >= LARGE:
        return banded(layer, seen, maps, None if x is None else Rows.of(x))
    return _product(layer, h.contiguous(memory_format=torch.channels_last), pairs(layer.padding)[0], x)


def banded(layer: nn.Conv2d, h: Rows, maps: Maps, x: Rows | None = None) -> Float[Tensor, "b d h2 w2"]:
    """The same some rows at a time, which stay in the caches until they are in their places; of stride 1."""
    made = product_rows(layer, h)
    out = maps.empty(made.size, made.dtype)
    for picture, first, last in _bands(made.size, layer.in_channels):
        place = out[picture : picture + 1, :, first:last]
        around = None if x is None else x.part(picture, first, last)
        _fill(place, layer, _seen(layer, h, picture, first, last), around)
    return out


def _fill(place: Tensor, layer: nn.Conv2d, seen: Tensor, around: Tensor | None) -> None:
    if isinstance(layer.weight, Tiled):
        layer.weight.convolved(seen, layer.bias, _aside(layer), around, out=place)
    elif around is None:
        place.copy_(_product(layer, seen, _aside(layer)))
    else:
        place.copy_(around)
        torch.ops.mkldnn._convolution_pointwise_.binary(place, seen, *_how(layer, _aside(layer)), *ADDED)


def product_rows(layer: nn.Conv2d, h: Rows) -> Rows:
    """Rows of what a convolution of packed weight and stride 1 makes of h."""
    sides = zip(h.size[2:], pairs(layer.padding)[0], layer.kernel_size, strict=True)
    high, wide = (length + 2 * more - side + 1 for length, more, side in sides)

    def part(picture: int, first: int, last: int) -> Tensor:
        return _product(layer, _seen(layer, h, picture, first, last), _aside(layer))

    return Rows(torch.Size((h.size[0], layer.out_channels, high, wide)), h.dtype, part)


def _seen(layer: nn.Conv2d, h: Rows, picture: int, first: int, last: int) -> Tensor:
    """The rows that some rows of a convolution are made of."""
    more = pairs(layer.padding)[0][0]
    return h.part(picture, first - more, last - more + layer.kernel_size[0] - 1)


def _aside(layer: nn.Conv2d) -> tuple[int, int]:
    """Padding of rows that have their neighbours with them."""
    return 0, pairs(layer.padding)[0][1]


def _product(layer: nn.Conv2d, h: Tensor, padding: tuple[int, ...], x: Tensor | None = None) -> Tensor:
    if isinstance(layer.weight, Tiled):
        return layer.weight.convolved(h, layer.bias, padding, x)
    operation, how = torch.ops.mkldnn._convolution_pointwise, _how(layer, padding)
    return operation(h, *how, "none", [], "") if x is None else operation.binary(h, x, *how, *ADDED)


def _how(layer: nn.Conv2d, padding: Any) -> tuple[Any, ...]:
    """What oneDNN must know of a convolution."""
    assert isinstance(layer.weight, Packed)
    how = pairs(padding, layer.stride, layer.dilation)
    return (layer.weight.opaque, layer.bias, *how, layer.groups)


def _bands(size: torch.Size, channels: int) -> Iterator[tuple[int, int, int]]:
    """Picture of the batch, first row of a band of it, and the one after its last.

    Bands are alike where that is possible: oneDNN prepares for every size anew.
    """
    least = -(-size[2] * size[3] * (size[1] + channels) * 2 // BAND)
    count = next((count for count in range(least, 2 * least) if size[2] % count == 0), least)
    some = -(-size[2] // count)
    for picture, first in product(range(size[0]), range(0, size[2], some)):
        yield picture, first, min(first + some, size[2])


class Enlarger:
    """A 3 x 3 convolution of a map that is twice as large by repetition, from the map itself.

    Of the nine pixels that such a convolution looks at, four differ. Each of the four pixels that one becomes
    is a 2 x 2 convolution of the smaller map whose weights are sums, in 16 instead of 36 products. The four
    are taken at once and put in their places.
    """

    def __init__(self, maps: Maps) -> None:
        self._maps = maps
        self._merging = Merging()

    def __call__(
        self, packer: Packer, conv: nn.Conv2d, x: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b d h2 w2"]:
        """The convolution of the enlarged map."""
        wide = self._merging(conv)
        packer(wide, (x,))
        size = torch.Size((len(x), conv.out_channels, 2 * x.shape[2], 2 * x.shape[3]))
        out = self._maps.empty(size, x.dtype)
        if out.nbytes < LARGE:
            _placed(wide(x), out)
            return out
        made = product_rows(wide, Rows.of(x))
        for picture, first, last in _bands(x.shape, made.size[1]):
            place = out[picture : picture + 1, :, 2 * first : 2 * last]
            _placed(made.part(picture, first, last + 1), place)
        return out


def _placed(wide: Float[Tensor, "b d h w"], out: Float[Tensor, "b e h2 w2"]) -> None:
    """Each of the four pixels that one became, where it belongs."""
    rows, columns = out.shape[2] // 2, out.shape[3] // 2
    for each, (down, right) in zip(wide.chunk(4, dim=1), product((0, 1), repeat=2), strict=True):
        out[:, :, down::2, right::2] = each[:, :, down : down + rows, right : right + columns]
