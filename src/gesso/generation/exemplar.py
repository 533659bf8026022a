"""Exemplar: a hole continued by pieces of the picture around it that look alike.

Every place near the hole looks for the known place that resembles it most; the hole then takes the mean of
what the places over it found; and so on, from a coarse picture to a finer one. The search is over whole
arrays: places try what their neighbours found, and then places at random, always the same ones.

Source: Wexler et al. 2007, "Space-Time Completion of Video", section 3 (the alternation, coarse to fine);
Barnes et al. 2009, "PatchMatch", section 3 (what is tried), with jumps in place of its scan.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy
from numpy.typing import NDArray

from gesso.generation.fills import extended, neighbour

__all__ = ["continued"]

Numbers = NDArray[np.float64]
"""[h w c]."""
Places = NDArray[np.int64]
"""Rows and columns, [2 h w] or [2 n]."""
Flags = NDArray[np.bool_]

SIDE = 256
"""The search runs at no more pixels a side; full-size pixels are copied by what it found."""
RADIUS = 2
ROUNDS = 4
COARSEST = 24
PATCH = tuple(product(range(-RADIUS, RADIUS + 1), repeat=2))
JUMPS = tuple((dy * far, dx * far) for far in (4, 1) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)))


def continued(pixels: NDArray[np.uint8], hole: Flags) -> NDArray[np.uint8]:
    """A picture with its hole filled by what looks alike elsewhere in it; the rest is untouched.

    Where nothing is known that is as large as a piece, what surrounds the hole fills it.

    Args:
        pixels: [h w c].
        hole: [h w].
    """
    factor = -(-max(hole.shape) // SIDE)
    field = _searched(*_reduced(pixels.astype(np.float64), hole, factor))
    if field is None or not hole.any():
        return neighbour(pixels, hole)
    rows, columns = np.nonzero(hole)
    total = np.zeros((len(rows), pixels.shape[2]))
    # what the pieces over a pixel say of it, each of its own place
    for dy, dx in product((-1, 0, 1), repeat=2):
        near = _clipped(np.stack([rows // factor + dy, columns // factor + dx]), field.shape[1:])
        found = field[:, near[0], near[1]] * factor + np.stack([rows, columns]) - near * factor
        found = _clipped(found, hole.shape)
        total += pixels[found[0], found[1]]
    filled = pixels.copy()
    filled[rows, columns] = (total / 9).round().clip(0, 255)
    return filled


def _reduced(values: Numbers, hole: Flags, factor: int) -> tuple[Numbers, Flags]:
    """A picture of means over squares; a square with a hole in it is one."""
    short = [(0, -size % factor) for size in hole.shape]
    known = np.pad(~hole, short).astype(np.float64)[..., None]
    padded = np.pad(values, [*short, (0, 0)]) * known
    shape = (known.shape[0] // factor, factor, known.shape[1] // factor, factor, -1)
    count = known.reshape(shape).sum((1, 3))
    return padded.reshape(shape).sum((1, 3)) / np.maximum(count, 1.0), count[..., 0] < factor**2


def _searched(values: Numbers, hole: Flags) -> Places | None:
    """For every place the known place that resembles it; None where no piece is known."""
    field: Places | None = None
    dice = np.random.default_rng(0)
    for factor in _factors(hole.shape):
        coarse, holes = _reduced(values, hole, factor)
        level = Level.of(holes)
        if level is None:
            continue
        if field is None:
            start = level.nearest[:, np.arange(holes.shape[0])[:, None], np.arange(holes.shape[1])]
            field = level.improved(extended(coarse, holes), start, dice)
        else:
            field = level.snapped(_doubled(field, holes.shape))
            field = level.improved(level.voted(coarse, field), field, dice)
    return field


def _factors(shape: tuple[int, ...]) -> Iterator[int]:
    """Powers of two from the coarsest picture on, down to 1."""
    levels = max(0, (min(shape) // COARSEST).bit_length() - 1)
    yield from (2**level for level in range(levels, -1, -1))


def _doubled(field: Places, shape: tuple[int, ...]) -> Places:
    """The same places in a picture of twice the size."""
    rows, columns = np.indices(shape)
    inner = field[:, np.minimum(rows // 2, field.shape[1] - 1), np.minimum(columns // 2, field.shape[2] - 1)]
    return inner * 2 + np.stack([rows % 2, columns % 2])


@dataclass(frozen=True)
class Level:
    """One size of the picture.

    Args:
        hole: what is to be filled.
        around: rows and columns of places whose piece touches it.
        nearest: for every place, the nearest in the middle of a piece that is known as a whole.
    """

    hole: Flags
    around: Places
    nearest: Places

    @staticmethod
    def of(hole: Flags) -> "Level | None":
        """None where no piece is known."""
        square = np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), np.bool_)
        whole: Flags = np.asarray(scipy.ndimage.binary_erosion(~hole, square), np.bool_)
        if not whole.any():
            return None
        nearest = np.empty((2, *hole.shape), np.int32)
        scipy.ndimage.distance_transform_edt(
            ~whole, return_distances=False, return_indices=True, indices=nearest
        )
        around = np.stack(np.nonzero(scipy.ndimage.binary_dilation(hole, square)))
        return Level(hole, around, nearest.astype(np.int64))

    def snapped(self, field: Places) -> Places:
        """Only places in the middle of a known piece."""
        inside = _clipped(field, self.hole.shape)
        return self.nearest[:, inside[0], inside[1]]

    def improved(self, values: Numbers, field: Places, dice: np.random.Generator) -> Places:
        """Search and fill in turns."""
        for _ in range(ROUNDS):
            field = self._matched(values, field, dice)
            values = self.voted(values, field)
        return field

    def voted(self, values: Numbers, field: Places) -> Numbers:
        """The hole filled with the mean of what the pieces over each pixel say."""
        rows, columns = np.nonzero(self.hole)
        total = np.zeros((len(rows), values.shape[2]))
        for dy, dx in PATCH:
            centre = _clipped(np.stack([rows - dy, columns - dx]), self.hole.shape)
            found = field[:, centre[0], centre[1]] + np.array([[dy], [dx]])
            total += values[found[0], found[1]]
        filled = values.copy()
        filled[rows, columns] = total / len(PATCH)
        return filled

    def _matched(self, values: Numbers, field: Places, dice: np.random.Generator) -> Places:
        """A better place for every piece that touches the hole."""
        padded = np.pad(values, [(RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)], mode="edge")
        rows, columns = self.around
        best = field[:, rows, columns]
        least = self._difference(padded, best)
        for dy, dx in JUMPS:
            near = _clipped(self.around - np.array([[dy], [dx]]), self.hole.shape)
            field[:, rows, columns] = best
            best, least = self._tried(padded, best, least, field[:, near[0], near[1]] + self.around - near)
        reach = max(self.hole.shape)
        while reach >= 1:
            step = dice.integers(-reach, reach + 1, best.shape)
            best, least = self._tried(padded, best, least, best + step)
            reach //= 3
        found = field.copy()
        found[:, rows, columns] = best
        return found

    def _tried(
        self, padded: Numbers, best: Places, least: NDArray[np.float64], other: Places
    ) -> tuple[Places, NDArray[np.float64]]:
        other = self.snapped(other)
        difference = self._difference(padded, other)
        better = difference < least
        return np.where(better, other, best), np.where(better, difference, least)

    def _difference(self, padded: Numbers, places: Places) -> NDArray[np.float64]:
        """Between each piece and the one at its place, squared and summed."""
        total = np.zeros(places.shape[1])
        for dy, dx in PATCH:
            here, there = (each + np.array([[dy + RADIUS], [dx + RADIUS]]) for each in (self.around, places))
            total += ((padded[here[0], here[1]] - padded[there[0], there[1]]) ** 2).sum(-1)
        return total


def _clipped(places: Places, shape: tuple[int, ...]) -> Places:
    limits = np.array(shape[:2]).reshape(2, *[1] * (places.ndim - 1)) - 1
    return np.clip(places, 0, limits)
