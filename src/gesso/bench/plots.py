"""Plots of what was measured: cost against whatever was varied."""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gesso.bench.figures import Case
from gesso.bench.rounds import Runs
from gesso.errors import Unsupported

__all__ = ["plot"]

VARIED = {"steps": "steps", "size": "pixels along a side", "count": "pictures"}
"""What of a case may vary, and its axis."""


def plot(cases: Mapping[str, tuple[Case, Runs]], out: Path) -> list[Path]:
    """Seconds of painting against everything that varies between the cases, one file for each.

    Args:
        out: what the files' names begin with.

    Raises:
        Unsupported: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise Unsupported(
            "plots must be drawn by matplotlib, however: it is not installed", hint="pip install gesso[bench]"
        ) from None
    written: list[Path] = []
    for name, label in VARIED.items():
        lines = _lines(cases, name)
        if not lines:
            continue
        figure = Figure(figsize=(5, 3.5), layout="constrained")
        axes: Any = figure.subplots()
        for program, points in lines.items():
            x, y, spread = zip(*sorted(points), strict=True)
            axes.errorbar(x, y, spread, label=program, marker="o", capsize=3)
        axes.set(xlabel=label, ylabel="seconds to paint", xlim=(0, None), ylim=(0, None))
        axes.legend()
        path = out.with_name(f"{out.stem}-{name}.png")
        figure.savefig(path, dpi=120)
        written.append(path)
    return written


def _lines(cases: Mapping[str, tuple[Case, Runs]], name: str) -> dict[str, list[tuple[int, float, float]]]:
    """Program → value, median, half the spread, of each case in which only this differs from the first."""
    first = next(iter(cases.values()))[0]
    alike = [each for each in cases.values() if _without(each[0], name) == _without(first, name)]
    if len({getattr(case, name) for case, _ in alike}) < 2:
        return {}
    lines: dict[str, list[tuple[int, float, float]]] = {}
    for case, runs in alike:
        for program, found in runs.items():
            totals = [each.total_s for each in found]
            point = (getattr(case, name), statistics.median(totals), (max(totals) - min(totals)) / 2)
            lines.setdefault(program, []).append(point)
    return lines


def _without(case: Case, name: str) -> dict[str, object]:
    return {key: value for key, value in case.plain().items() if key != name}
