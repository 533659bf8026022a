"""A picture as a stream of bands: a few rows at a time, from top to bottom, edges exact.

Every operation here takes and gives an iterator of bands and holds only the rows it still needs, so a chain
of them runs over a picture of any height in the memory of a few bands. Nothing is computed twice and no band
sees an edge that the picture does not have: what comes out, joined, is what the whole picture would give.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "Bands",
    "ChannelMoments",
    "Rows",
    "Window",
    "convolved",
    "cut",
    "doubled",
    "owned",
    "stacked",
    "twinned",
]

Bands = Iterator[Float[Tensor, "1 _ _ _"]]
Rows = tuple[Float[Tensor, "1 _ _ _"], ...]
"""The same rows of several maps."""


SLACK = 3 / 2
"""How much higher a band may be than asked: else bands that grew by a row would be cut ever finer."""


def cut(bands: Iterable[Tensor], limit: int, width: int) -> Bands:
    """The same rows in thinner bands.

    Args:
        bands: of any height.
        limit: bytes of a band, exceeded by at most a half, but never less than one row.
        width: bytes of one row.
    """
    rows = max(1, limit // max(1, width))
    for band in bands:
        pieces = deque(band.split(rows if band.shape[2] > rows * SLACK else band.shape[2], dim=2))
        del band
        while pieces:
            yield pieces.popleft()


def owned(band: Tensor) -> Tensor:
    """The band without the rest of a larger tensor that it may be a view of."""
    return band if band.untyped_storage().nbytes() == band.nbytes else band.clone()


def stacked(rows: Iterator[Rows], least: int) -> Iterator[Rows]:
    """The same rows in bands of at least so many bytes, but for the last."""
    waiting, taken = list[Rows](), 0
    for each in rows:
        waiting.append(each)
        taken += min(band.nbytes for band in each)
        if taken >= least:
            yield _joined(waiting)
            waiting, taken = list[Rows](), 0
    if waiting:
        yield _joined(waiting)


def _joined(waiting: list[Rows]) -> Rows:
    return tuple(
        parts[0] if len(parts) == 1 else torch.cat(parts, dim=2) for parts in zip(*waiting, strict=True)
    )


@dataclass(frozen=True)
class Window:
    """A convolution with the zeros it expects around the picture.

    Args:
        conv: its own padding is not used.
        rows: rows of zeros above and below.
        columns: columns of zeros left and right.
    """

    conv: nn.Conv2d
    rows: tuple[int, int]
    columns: tuple[int, int]

    @classmethod
    def of(cls, conv: nn.Conv2d) -> "Window":
        """A convolution with its own padding, the same on both sides."""
        vertical, horizontal = int(conv.padding[0]), int(conv.padding[1])
        return cls(conv, (vertical, vertical), (horizontal, horizontal))

    def __call__(self, rows: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 d h2 w2"]:
        """The convolution of rows that have everything above and below them that they need."""
        left, right = self.columns
        if left != right:
            rows, left = functional.pad(rows, (left, right)), 0
        return functional.conv2d(rows, self.conv.weight, self.conv.bias, self.conv.stride, (0, left))


@dataclass
class _Sliding:
    """A convolution on its way down the picture, with the rows that the next band still needs."""

    window: Window
    height: int
    seen: int = 0
    held: tuple[Tensor, ...] = ()

    def push(self, band: Tensor) -> Tensor | None:
        """The output rows that this band completes."""
        above, below = self.window.rows
        before = self.held if self.seen else _blank(band, above)
        self.seen += band.shape[2]
        after = _blank(band, below) if self.seen == self.height else ()
        rows = torch.cat((*before, band, *after), dim=2) if before or after else band
        reach, stride = self.window.conv.kernel_size[0], self.window.conv.stride[0]
        count = (rows.shape[2] - reach) // stride + 1
        self.held = _rest(rows, max(0, count) * stride)
        return None if count < 1 else self.window(rows[:, :, : (count - 1) * stride + reach])


def _blank(like: Tensor, rows: int) -> tuple[Tensor, ...]:
    return (like.new_zeros((1, like.shape[1], rows, like.shape[3])),) if rows else ()


def _rest(rows: Tensor, start: int) -> tuple[Tensor, ...]:
    return (owned(rows[:, :, start:]),) if start < rows.shape[2] else ()


def convolved(bands: Bands, window: Window, height: int, limit: int) -> Bands:
    """A convolution over the stream.

    Args:
        bands: the picture.
        window: the convolution.
        height: rows of the picture.
        limit: bytes of a band, of what comes out too.
    """
    channels = max(window.conv.in_channels, window.conv.out_channels)
    thin = _limited(bands, limit, channels)
    return cast(Bands, filter(_is_there, map(_Sliding(window, height).push, thin)))


def _is_there(band: Tensor | None) -> bool:
    return band is not None


def _limited(bands: Bands, limit: int, channels: int) -> Bands:
    """The same rows in bands that do not exceed the limit with this many channels either."""
    for band in bands:
        pieces = cut((band,), limit, channels * band.shape[3] * band.element_size())
        del band
        yield from pieces


def doubled(bands: Bands, limit: int) -> Bands:
    """Every pixel as 2 x 2 pixels."""
    for band in bands:
        pieces = _limited(iter((band,)), limit, 4 * band.shape[1])
        del band
        yield from map(_doubled, pieces)


def _doubled(band: Tensor) -> Tensor:
    return functional.interpolate(band, scale_factor=2.0, mode="nearest")


def twinned(rows: Iterator[Rows], through: Callable[[Bands], Bands]) -> Iterator[tuple[Tensor, Tensor]]:
    """The first map as it is beside the last map changed by a stream that keeps the picture's size.

    The changed rows come later than those that go in; the first map waits for them.
    """
    waiting = _Waiting()

    def passed(each: Rows) -> Tensor:
        waiting.put(each[0])
        return each[-1]

    return map(waiting.beside, through(map(passed, rows)))


@dataclass
class _Waiting:
    """Rows that wait for the others to catch up."""

    bands: deque[Tensor] = field(default_factory=deque[Tensor])

    def put(self, band: Tensor) -> None:
        self.bands.append(band)

    def beside(self, other: Tensor) -> tuple[Tensor, Tensor]:
        """As many of the oldest rows as the other band has, and that band."""
        missing, parts = other.shape[2], list[Tensor]()
        while missing:
            band = self.bands.popleft()
            if band.shape[2] > missing:
                self.bands.appendleft(owned(band[:, :, missing:]))
                band = band[:, :, :missing]
            parts.append(band)
            missing -= band.shape[2]
        return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)), other


@dataclass
class ChannelMoments:
    """The mean and spread of every channel of a picture, gathered band by band.

    Bands are merged in float64, so that a million bands are as exact as one.

    Source: Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
    variances", equation 2.1.
    """

    count: int = 0
    mean: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.float64))
    squares: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.float64))

    def add(self, band: Float[Tensor, "1 c h w"]) -> None:
        """Take in more rows."""
        count = band.shape[2] * band.shape[3]
        mean, squares = _moments(band, count)
        total = self.count + count
        apart = mean - self.mean
        self.squares = self.squares + squares + apart**2 * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    def tapped(self, rows: Rows) -> Rows:
        """Take in the last map of rows that pass by."""
        self.add(rows[-1])
        return rows

    def drained(self, rows: Iterator[Rows]) -> "ChannelMoments":
        """Take in the last map of a whole stream."""
        deque(map(self.add, map(itemgetter(-1), rows)), maxlen=0)
        return self

    def normalise(self, norm: nn.GroupNorm) -> Callable[[Tensor], Tensor]:
        """Group normalisation with the whole picture's statistics, for any of its bands.

        Source: Wu & He 2018, "Group Normalization", equations 1 and 2: a group's mean and variance are those
        of all its pixels and channels.
        """
        means = self.mean.view(norm.num_groups, -1)
        mean = means.mean(dim=1, keepdim=True)
        variance = (self.squares.view_as(means) / self.count + (means - mean) ** 2).mean(dim=1, keepdim=True)
        place = norm.weight.device
        center = mean.expand_as(means).flatten().float().to(place)
        spread = variance.expand_as(means).flatten().float().to(place)
        # with one mean and variance per channel it is what batch normalisation does, in one pass
        weight, bias = norm.weight.float(), norm.bias.float()
        return lambda band: functional.batch_norm(band, center, spread, weight, bias, eps=norm.eps)


def _moments(band: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Each channel's mean and sum of squared distances from it, float64 on the CPU."""
    channels = band.shape[1]
    if count == 1:
        return band.flatten().double().cpu(), torch.zeros(channels, dtype=torch.float64)
    mean, variance = torch.zeros(2, channels, device=band.device).unbind()
    # training a batch norm is torch's one-pass reading of channel moments: 15 times as fast as var_mean
    functional.batch_norm(band, mean, variance, training=True, momentum=1.0)
    return mean.double().cpu(), variance.double().cpu() * (count - 1)
