"""Which feature maps of a picture fit into the memory there is, and what is computed again without them."""

from collections.abc import Sequence
from dataclasses import dataclass

from gesso.errors import OutOfMemory
from gesso.networks.links import Link, Size

__all__ = ["StoragePlan", "storage_plan", "whole_bytes"]

BAND = 2**23
"""The most bytes of a band: small beside any store, large enough to keep a processor busy."""
SHARE = 64
"""A band is at most this part of the room, because about a quarter as many are alive at once."""
SLAB = 40 * 2**20
"""A stored map is kept in pieces of this size. glibc gives what is beyond 32 MiB back to the system when it
is free (mallopt(3), M_MMAP_THRESHOLD); thousands of small freed bands leave holes that nothing fits in."""
SLABS = 4
"""Slabs alive beside a stored map: what is gathered, what is made of it, and the rest of what is used up."""
ALIVE = 12
"""Bands alive at once, in the worst link: its input, what is joined to it, its result, and what makes it."""
HELD = 4
"""Rows that one link holds while it waits for those below: two before a convolution, two beside it."""
WHOLE = 6
"""Maps of the largest size alive at once where nothing is done in bands: a residual block's."""


@dataclass(frozen=True)
class StoragePlan:
    """What is stored of a picture on its way through a chain of links.

    Args:
        sizes: of the maps after each link.
        stored: whether the maps after each link are; the last ones, the result, always are.
        limit: the most bytes of a band, but never less than one row.
        slab: the least bytes of a piece of a stored map.
        taken: about the most bytes taken at once.
        runs: how often each link runs over the whole picture; 1 everywhere where all fits.
    """

    sizes: tuple[Size, ...]
    stored: tuple[bool, ...]
    limit: int
    slab: int
    taken: int
    runs: tuple[int, ...]


def storage_plan(links: Sequence[Link], size: Size, itemsize: int, room: int) -> StoragePlan:
    """Store whatever fits: each stored map only ever saves work.

    Args:
        links: the chain.
        size: of its input, which is not counted.
        itemsize: bytes of a number.
        room: bytes that may be taken, the result included.

    Raises:
        OutOfMemory: not even the bands, the result and what attention holds fit.
    """
    inputs, sizes = _sizes(links, size)
    limit = min(BAND, room // SHARE)
    slab = min(SLAB, 2 * room // SHARE)
    rows = [link.row(before) * itemsize for link, before in zip(links, inputs, strict=True)]
    working = sum(HELD * row + 2 * _channel_bytes(after) for row, after in zip(rows, sizes, strict=True))
    base = ALIVE * max(limit, *rows) + SLABS * slab + working + sizes[-1].numbers * itemsize
    kept = [link.kept(before) * itemsize for link, before in zip(links, inputs, strict=True)]
    if base + max(kept) > room:
        raise OutOfMemory(
            f"the autoencoder must have {_mib(base + max(kept))} MiB for a picture of this size, however: it "
            f"may take {_mib(room)} MiB",
            hint="give it more memory (--memory), or paint a smaller picture",
        )
    costs = [each.numbers * itemsize for each in sizes]
    stored = _stored(costs, kept, room - base)
    held = max((cost for cost, fits in zip(costs[:-1], stored, strict=False) if fits), default=0)
    return StoragePlan(sizes, stored, limit, slab, base + max(held, *kept), _runs(links, stored))


def whole_bytes(links: Sequence[Link], size: Size, itemsize: int) -> int:
    """About the most bytes that the network takes at once where it sees the picture whole."""
    _, sizes = _sizes(links, size)
    return WHOLE * max(max(each.channels) * each.pixels for each in sizes) * itemsize


def _sizes(links: Sequence[Link], size: Size) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    sizes = [size]
    for link in links:
        sizes.append(link.after(sizes[-1]))
    return tuple(sizes[:-1]), tuple(sizes[1:])


def _channel_bytes(size: Size) -> int:
    """A norm's mean, variance, weight and bias, and as much again in float64."""
    return 48 * max(size.channels)


def _stored(costs: Sequence[int], kept: Sequence[int], free: int) -> tuple[bool, ...]:
    """Which maps are stored: those that fit beside what attention keeps while they are held."""
    stored = [cost <= free for cost in costs[:-1]]
    for index, keeps in enumerate(kept):
        # the map that attention reads must leave room for what attention keeps, and so must its successor
        for other in range(index - 1, -1, -1):
            if costs[other] + keeps <= free:
                break
            stored[other] = False
        for other in range(index, len(stored)):
            if costs[other] + keeps <= free:
                break
            stored[other] = False
    return (*stored, True)


def _runs(links: Sequence[Link], stored: Sequence[bool]) -> tuple[int, ...]:
    """Once for the result, and once for whatever a later link must know before its input is stored."""
    runs = [1] * len(links)
    start = 0
    for index, link in enumerate(links):
        at_hand = index == start
        asks = (link.norm is not None and not at_hand) + (link.kept(_POINT) > 0)
        for before in range(start, index):
            runs[before] += asks
        if stored[index]:
            start = index + 1
    return tuple(runs)


_POINT = Size((1,), 1, 1)


def _mib(size: int) -> int:
    return -(-size // 2**20)
