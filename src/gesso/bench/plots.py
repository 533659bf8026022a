"""Plots of what was measured: cost against whatever was varied, and programs side by side."""

import statistics
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from gesso.bench.figures import Case, Figures
from gesso.bench.records import Measured, Record
from gesso.errors import Unsupported

__all__ = ["bars", "plot"]

VARIED = {"steps": "steps", "size": "pixels along a side", "count": "pictures"}
"""What of a case may vary, and its axis."""
SHOWN = {"step_s": "one step, s", "decode_s": "decoding, s", "peak_gb": "most memory held, GB"}
"""What bars are drawn of."""
CUT = 3
"""Medians of all bars that a bar may be long."""

Point = tuple[float, float]
"""A median, and half of how far the runs lie apart."""


def plot(record: Record, out: Path) -> list[Path]:
    """Seconds of painting against everything that varies between the cases, one file for each.

    Args:
        record: whose cases are drawn.
        out: what the files' names begin with.

    Raises:
        Unsupported: matplotlib is not installed.
    """
    written: list[Path] = []
    for name, label in VARIED.items():
        lines = _lines(record.cases, name)
        if not lines:
            continue
        figure, axes = _figure(5, 3.5)
        for program, points in lines.items():
            x, y, spread = zip(*sorted(points), strict=True)
            axes.errorbar(x, y, spread, label=program, marker="o", capsize=3)
        axes.set(xlabel=label, ylabel="seconds to paint", xlim=(0, None), ylim=(0, None))
        axes.legend()
        written.append(_saved(figure, out, name))
    return written


def bars(record: Record, out: Path) -> Path:
    """Programs side by side: a row of panels for each case.

    Args:
        record: whose cases are drawn.
        out: what the file's name begins with.

    Raises:
        Unsupported: matplotlib is not installed.
    """
    figure, panels = _figure(10, 0.6 + 2.2 * len(record.cases), len(record.cases), len(SHOWN))
    for row, (name, measured) in zip(panels, record.cases.items(), strict=True):
        for axes, (figured, label) in zip(row, SHOWN.items(), strict=True):
            _barred(axes, {program: _point(runs, figured) for program, runs in measured.runs.items()})
            axes.set_xlabel(label)
            axes.tick_params(labelleft=axes is row[0])
        row[0].set_title(name)
    return _saved(figure, out, "bars")


def _barred(axes: Any, points: Mapping[str, Point]) -> None:
    """A bar for each program; those that would dwarf the others are cut off, and say so by an arrow."""
    middles, spread = zip(*points.values(), strict=True)
    end = CUT * statistics.median(middles)
    drawn = axes.barh(
        [*points], [min(each, end) for each in middles], xerr=spread, color=_colours(points), capsize=3
    )
    axes.bar_label(drawn, [f"{each:.3g}{' →' if each > end else ''}" for each in middles], padding=4)
    axes.margins(x=0.25)
    axes.invert_yaxis()


def _colours(programs: Iterable[str]) -> list[str]:
    return ["tab:orange" if each.startswith("gesso") else "tab:gray" for each in programs]


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    """A figure and its axes: one, or an array of rows."""
    try:
        known: Any = import_module("matplotlib.figure")
    except ImportError:
        raise Unsupported(
            "plots must be drawn by matplotlib, however: it is not installed", hint="pip install gesso[bench]"
        ) from None
    figure = known.Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=rows * columns == 1)


def _saved(figure: Any, out: Path, name: str) -> Path:
    path = out.with_name(f"{out.stem}-{name}.png")
    figure.savefig(path, dpi=120)
    return path


def _point(runs: Iterable[Figures], figured: str) -> Point:
    values = [getattr(each, figured) for each in runs]
    return statistics.median(values), (max(values) - min(values)) / 2


def _lines(cases: Mapping[str, Measured], name: str) -> dict[str, list[tuple[int, float, float]]]:
    """Program → value, median, half the spread, of each case in which only this differs from the first."""
    first = next(iter(cases.values())).case
    alike = [each for each in cases.values() if _without(each.case, name) == _without(first, name)]
    if len({getattr(each.case, name) for each in alike}) < 2:
        return {}
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for each in alike:
        for program, runs in each.runs.items():
            lines.setdefault(program, []).append((getattr(each.case, name), *_point(runs, "total_s")))
    return lines


def _without(case: Case, name: str) -> dict[str, object]:
    return {key: value for key, value in case.plain().items() if key != name}
