"""The geometry of an edit: which part of the picture is painted, in which order, and how large.

Pure functions of sizes. No side is special: a mirrored picture gives the mirrored boxes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import sqrt

__all__ = [
    "Box",
    "Growth",
    "Seen",
    "Stage",
    "border_stages",
    "cutting",
    "grown",
    "masked_stage",
    "working_size",
]

ROOM = 2.0
"""How much larger than the size a model was made for a part may be before it is painted smaller: what is
kept around it holds the composition together, which a text-to-image picture of that size has not."""

Size = tuple[int, int]
"""Width and height."""


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels; right and bottom are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> Size:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    @property
    def area(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True)
class Growth:
    """Pixels added to a canvas on each side."""

    left: int = 0
    up: int = 0
    right: int = 0
    down: int = 0

    def grown(self, canvas: Size) -> Size:
        """The size of the canvas with them."""
        return canvas[0] + self.left + self.right, canvas[1] + self.up + self.down


@dataclass(frozen=True)
class Stage:
    """One stretch of painting on a canvas.

    Args:
        growth: what is added to the canvas before, and painted; nothing where a mask says what is painted.
        box: the part of the grown canvas that the model sees.
        size: width and height at which the model paints it.
    """

    growth: Growth
    box: Box
    size: Size

    def text(self) -> str:
        """The stage for reading."""
        sides = [f"{by} {way}" for way, by in vars(self.growth).items() if by]
        what = f"grow {', '.join(sides)}" if sides else "paint the mask"
        seen = f"{_sized(self.box.size)} at {self.box.left},{self.box.top}"
        return f"{what}, in {seen}" + ("" if self.size == self.box.size else f" as {_sized(self.size)}")


def _sized(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def grown(canvas: Size, stages: Iterable[Stage]) -> Size:
    """The size of a canvas once every stage is painted."""
    for each in stages:
        canvas = each.growth.grown(canvas)
    return canvas


@dataclass(frozen=True)
class Seen:
    """What a plan has to know of a source's files.

    Args:
        size: of the picture, width and height.
        painted: the smallest box around what the mask says to paint; None where there is nothing to paint.
    """

    size: tuple[int, int]
    painted: Box | None


def working_size(box: Size, native: Size, factor: int, *, enlarge: bool = False) -> Size:
    """The size at which a part of a picture is painted: its own wherever the model can.

    Args:
        box: width and height of the part.
        native: the size the model is to paint at; its area counts.
        factor: what width and height are multiples of.
        enlarge: whether parts smaller than that are painted larger, for detail.
    """
    share = native[0] * native[1] / (box[0] * box[1])
    scale = sqrt(share) if enlarge and share > 1 else min(1.0, sqrt(share * ROOM))
    width, height = (max(factor, round(side * scale / factor) * factor) for side in box)
    return width, height


def cutting(painted: Box, canvas: Size, padding: int, aspect: Size) -> Box:
    """The part of a picture around what is painted, with padding, grown to an aspect as far as there is room.

    Args:
        painted: the smallest box around all that is painted.
        aspect: a width and height in the ratio wanted.
    """
    width, height = (side + 2 * padding for side in painted.size)
    wider, higher = height * aspect[0] / aspect[1], width * aspect[1] / aspect[0]
    left, right = _span((painted.left, painted.right), round(max(width, wider)), canvas[0])
    top, bottom = _span((painted.top, painted.bottom), round(max(height, higher)), canvas[1])
    return Box(left, top, right, bottom)


def _span(inner: tuple[int, int], length: int, limit: int) -> tuple[int, int]:
    """A stretch of a length around an inner one, moved to lie within 0…limit."""
    extra = max(0, length - (inner[1] - inner[0]))
    # the same on both sides, so that a mirrored picture gives the mirrored stretch
    half = (extra + 1) // 2
    low, high = inner[0] - half, inner[1] + half
    if high - low >= limit:
        return 0, limit
    shift = max(0, -low) - max(0, high - limit)
    return low + shift, high + shift


def masked_stage(painted: Box, canvas: Size, native: Size, factor: int, *, padding: int | None) -> Stage:
    """The stage that paints a mask.

    Args:
        painted: the smallest box around all that is painted.
        padding: pixels around it that are shown too; None shows the whole canvas.
    """
    whole = Box(0, 0, *canvas)
    box = whole if padding is None else cutting(painted, canvas, padding, native)
    return Stage(Growth(), box, working_size(box.size, native, factor, enlarge=padding is not None))


def border_stages(canvas: Size, growth: Growth, native: Size, factor: int) -> tuple[Stage, ...]:
    """The stages that paint a border, each at most half as wide as the model paints, so that it sees context.

    Opposite sides grow in turns, and neither sees what the other's turn has painted. The direction that grows
    less comes first, while the picture is small; the other then covers the corners.
    """
    sideways = growth.left + growth.right <= growth.up + growth.down
    stages: list[Stage] = []
    for axis in (0, 1) if sideways else (1, 0):
        for part, low, high in _turns(canvas, growth, axis, native[axis], factor):
            canvas = part.grown(canvas)
            other = canvas[1 - axis]
            box = Box(low, 0, high, other) if axis == 0 else Box(0, low, other, high)
            stages.append(Stage(part, box, working_size(box.size, native, factor)))
    return tuple(stages)


def _turns(
    canvas: Size, growth: Growth, axis: int, native: int, factor: int
) -> Iterator[tuple[Growth, int, int]]:
    """What is added in one direction, turn by turn, and the stretch that is seen each time."""
    near, far = ("left", "right") if axis == 0 else ("up", "down")
    before, after = getattr(growth, near), getattr(growth, far)
    length, step = canvas[axis], max(factor, native // 2)
    while before or after:
        first, last = min(step, before), min(step, after)
        seen = min(native, length + first), min(native, length + last)
        length += first + last
        before, after = before - first, after - last
        if first:
            yield replace(Growth(), **{near: first}), 0, seen[0]
        if last:
            yield replace(Growth(), **{far: last}), length - seen[1], length
