"""A Grid: every combination of the values of up to three axes."""

import secrets
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from gesso.errors import RequestError
from gesso.request import Request
from gesso.series.axis import Ask, Axis, Choice, axis
from gesso.series.fields import validated

__all__ = ["Cell", "Grid", "grid"]

MOST_CELLS = 10_000


@dataclass(frozen=True)
class Cell:
    """One combination.

    Args:
        place: which value of x, y and z, from 0.
        model: the model's file; None for the built-in checkpoint.
        request: what paints it alone.
    """

    place: tuple[int, int, int]
    model: Path | None
    request: Request


@dataclass(frozen=True)
class Grid:
    """Every combination, row by row, sheet by sheet."""

    axes: tuple[Axis, Axis, Axis]
    cells: tuple[Cell, ...]


def grid(model: Path | None, request: Request, x: str, y: str = "", z: str = "") -> Grid:
    """The grid of a request over axes, see `axis` for how they are written; an empty one has one value.

    Where neither request nor axes say a seed, one is drawn for all cells.

    Raises:
        UnknownName: a request has no such field.
        RequestError: an axis cannot be read, or a combination is no request.
    """
    if request.count != 1:
        raise RequestError(
            f"a cell must be one picture, however: count is {request.count}",
            hint="--z seed=1-4 makes four sheets",
        )
    start = Ask(model, request.model_dump() | {"seed": _seed(request)})
    axes = (_read(x, start), _read(y, start), _read(z, start))
    _must_differ(axes)
    places = list(product(*(range(len(each.choices)) for each in reversed(axes))))
    return Grid(axes, tuple(_cell(axes, (right, down, sheet), start) for sheet, down, right in places))


def _cell(axes: tuple[Axis, Axis, Axis], place: tuple[int, int, int], start: Ask) -> Cell:
    ask = start
    for each, index in zip(axes, place, strict=True):
        ask = each.choices[index].of(ask)
    return Cell(place, ask.model, validated(ask.data))


def _seed(request: Request) -> int:
    return secrets.randbelow(2**32) if request.seed is None else request.seed


def _read(text: str, start: Ask) -> Axis:
    return axis(text, start) if text else Axis("", (Choice("", lambda ask: ask),))


def _must_differ(axes: tuple[Axis, Axis, Axis]) -> None:
    names = [each.name for each in axes if each.name]
    if "count" in names:
        raise RequestError("a cell must be one picture, however: count is an axis", hint="use seed=1-4")
    if len(set(names)) < len(names):
        raise RequestError(f"axes must differ, however: {', '.join(names)}")
    count = len(axes[0].choices) * len(axes[1].choices) * len(axes[2].choices)
    if count > MOST_CELLS:
        raise RequestError(f"a grid must have at most {MOST_CELLS} cells, however: {count}")
