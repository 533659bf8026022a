"""The autoencoder in bands: pictures larger than memory, equal to what the whole would give.

Group normalisation needs the statistics of a whole feature map and attention looks everywhere, so tiles that
are decoded alone can never match. Here the network is a chain of links, each local once it knows what it must
of the whole picture. The picture runs through the chain in bands of rows. After each link its feature map is
stored if that fits into the room there is; where it does not, the links since the last stored map run again
for every statistic that is needed beyond. So the room decides how much work is repeated, and nothing else.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.networks.autoencoder import Autoencoder, Moments
from gesso.networks.links import Link, Picture, Size, Stream, decoding, encoding
from gesso.networks.rows import ChannelMoments, Rows, cut, owned, stacked
from gesso.networks.storage_plan import StoragePlan, storage_plan, whole_bytes

__all__ = ["banded_decode", "banded_encode", "decode_plan", "encode_plan", "whole_decode", "whole_encode"]


def decode_plan(network: Autoencoder, latents: Float[Tensor, "b c h w"], room: int) -> StoragePlan:
    """What `banded_decode` stores in a given room, and what it does again.

    Raises:
        OutOfMemory: the room is too small even if nothing is stored.
    """
    return storage_plan(decoding(network), _size(latents), latents.element_size(), room)


def encode_plan(network: Autoencoder, pixels: Float[Tensor, "b p H W"], room: int) -> StoragePlan:
    """What `banded_encode` stores in a given room, and what it does again.

    Raises:
        OutOfMemory: the room is too small even if nothing is stored.
    """
    return storage_plan(encoding(network), _size(pixels), pixels.element_size(), room)


def whole_decode(network: Autoencoder, latents: Float[Tensor, "b c h w"]) -> int:
    """About the bytes that `Autoencoder.decode` takes."""
    return latents.shape[0] * whole_bytes(decoding(network), _size(latents), latents.element_size())


def whole_encode(network: Autoencoder, pixels: Float[Tensor, "b p H W"]) -> int:
    """About the bytes that `Autoencoder.encode` takes."""
    return pixels.shape[0] * whole_bytes(encoding(network), _size(pixels), pixels.element_size())


def banded_decode(
    network: Autoencoder, latents: Float[Tensor, "b c h w"], room: int
) -> Float[Tensor, "b p H W"]:
    """`Autoencoder.decode` within a given room.

    Args:
        network: the autoencoder.
        latents: unscaled, as `encode` gives them.
        room: bytes that it may take beyond the weights and the latents, the pixels included.

    Raises:
        OutOfMemory: the room is too small even if nothing is stored.
    """
    return _banded(decoding(network), latents, room)


def banded_encode(network: Autoencoder, pixels: Float[Tensor, "b p H W"], room: int) -> Moments:
    """`Autoencoder.encode` within a given room.

    Args:
        network: the autoencoder.
        pixels: -1 to 1; height and width multiples of its `factor`.
        room: bytes that it may take beyond the weights and the pixels, the latents included.

    Raises:
        OutOfMemory: the room is too small even if nothing is stored.
    """
    return Moments.of(_banded(encoding(network), pixels, room))


def _size(maps: Tensor) -> Size:
    channels, height, width = maps.shape[1:]
    return Size((channels,), height, width)


@torch.no_grad()
def _banded(links: list[Link], maps: Tensor, room: int) -> Tensor:
    """The chain over every picture of a batch, one after another."""
    plan = storage_plan(links, _size(maps), maps.element_size(), room)
    last = plan.sizes[-1]
    out = maps.new_empty((maps.shape[0], *last.channels, last.height, last.width))
    for one, place in zip(maps.split(1), out.split(1), strict=True):
        start = 0
        for (band,) in _chained(links, one, plan):
            place[:, :, start : start + band.shape[2]] = band
            start += band.shape[2]
    return out


def _chained(links: list[Link], maps: Tensor, plan: StoragePlan) -> Iterator[Rows]:
    """One picture through the chain; the result as a stream."""
    held = _Held([(maps,)], plan.limit)
    steps, moments = list[Stream](), None
    sizes = (_size(maps), *plan.sizes)
    for index, link in enumerate(links):
        again = _again(held, tuple(steps))
        steps.append(link.ready(Picture(again, sizes[index], moments, plan.limit)))
        moments = None
        if plan.stored[index] and index + 1 < len(links):
            flowing = _flow(held.taken(), steps)
            if links[index + 1].norm is not None:
                moments = ChannelMoments()
                flowing = map(moments.tapped, flowing)
            held, steps = _Held(stacked(flowing, plan.slab), plan.limit), list[Stream]()
    return _flow(held.taken(), steps)


def _again(held: "_Held", steps: tuple[Stream, ...]) -> Callable[[], Iterator[Rows]]:
    return lambda: _flow(held.read(), steps)


def _flow(rows: Iterator[Rows], steps: Iterable[Stream]) -> Iterator[Rows]:
    return reduce(lambda flowing, step: step(flowing), steps, rows)


class _Held:
    """Feature maps stored in bands, to be read again or used up from the top.

    Args:
        rows: the maps.
        limit: the most bytes of a band that is given out, but never less than one row.
    """

    def __init__(self, rows: Iterable[Rows], limit: int) -> None:
        self._bands = deque(map(_owned, rows))
        self._limit = limit

    def read(self) -> Iterator[Rows]:
        """The maps; they stay."""
        return self._thin(self._bands)

    def taken(self) -> Iterator[Rows]:
        """The maps; each band is gone once it has passed."""
        return self._thin(_popped(self._bands))

    def _thin(self, bands: Iterable[Rows]) -> Iterator[Rows]:
        return (piece for each in bands for piece in _pieces(each, self._limit))


def _popped(bands: deque[Rows]) -> Iterator[Rows]:
    while bands:
        yield bands.popleft()


def _pieces(rows: Rows, limit: int) -> Iterator[Rows]:
    widest = max(rows, key=lambda band: band.shape[1])
    width = widest.shape[1] * widest.shape[3] * widest.element_size()
    return zip(*(cut((band,), limit, width) for band in rows), strict=True)


def _owned(rows: Rows) -> Rows:
    return tuple(map(owned, rows))
