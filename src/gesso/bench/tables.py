"""Records as Markdown: medians, how far runs lie apart, and how many times as much as gesso's others take."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import fields

from gesso.bench.figures import Figures
from gesso.bench.records import Measured, Record

__all__ = ["ratios", "table"]

NAMES = tuple(each.name for each in fields(Figures))
SHORT = 0.1
"""Seconds below which times are told in milliseconds."""
AGAIN = "another picture"
COMPARED: dict[str, Callable[[Figures], float]] = {
    "import + load": lambda run: run.import_s + run.load_s,
    "step": lambda run: run.step_s,
    "decode": lambda run: run.decode_s,
    "peak while loading": lambda run: run.load_peak_gb,
    "peak": lambda run: run.peak_gb,
    AGAIN: lambda run: run.again_s,
}
"""What is told as a ratio."""


def table(record: Record) -> str:
    """Medians, and in brackets half of how far the runs lie apart; of preparing the longest."""
    names = [name for name in NAMES if name != "again_s" or _painted_again(record)]
    heads = [name.rsplit("_", 1)[0].replace("_", " ") for name in names]
    lines = _head(["case", "program", *heads, "TFLOP/s in a step"])
    for name, measured in record.cases.items():
        for program, runs in measured.runs.items():
            cells = [_cell(each, [getattr(run, each) for run in runs]) for each in names]
            lines.append(_line([name, program, *cells, _speed(record, measured, runs)]))
    return "\n".join(lines)


def ratios(record: Record, program: str = "gesso") -> str:
    """How many times as much as one program's, by medians, the others take."""
    told = {name: each for name, each in COMPARED.items() if name != AGAIN or _painted_again(record)}
    lines = _head(["case", "program", *told])
    for name, measured in record.cases.items():
        own = measured.runs.get(program)
        for other, runs in measured.runs.items():
            if own and other != program:
                cells = [_times(_middle(each, runs), _middle(each, own)) for each in told.values()]
                lines.append(_line([name, other, *cells]))
    return "\n".join(lines)


def _painted_again(record: Record) -> bool:
    """Whether any run painted more than one picture."""
    found = (run for measured in record.cases.values() for runs in measured.runs.values() for run in runs)
    return any(run.again_s for run in found)


def _times(other: float, own: float) -> str:
    return f"{other / own:.2f}" if own else ""


def _head(names: Sequence[str]) -> list[str]:
    return [_line(names), "|---" * len(names) + "|"]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _middle(figure: Callable[[Figures], float], runs: Sequence[Figures]) -> float:
    return statistics.median(map(figure, runs))


def _cell(name: str, values: Sequence[float]) -> str:
    unit = "GB" if name.endswith("gb") else "s"
    if name == "prepare_s":
        return f"{max(values):.0f} s" if max(values) else ""
    middle, apart = statistics.median(values), (max(values) - min(values)) / 2
    if unit == "s" and 0 < middle < SHORT:
        middle, apart, unit = 1000 * middle, 1000 * apart, "ms"
    spread = f" (±{apart:.2f})" if len(values) > 1 else ""
    return f"{middle:.2f}{spread} {unit}"


def _speed(record: Record, measured: Measured, runs: Sequence[Figures]) -> str:
    """Operations a second, and their share of the fastest that this machine multiplies."""
    seconds = _middle(COMPARED["step"], runs)
    if measured.tflop is None or not seconds:
        return ""
    reached = measured.tflop / seconds
    known = record.ceilings.get(measured.case.dtype)
    if known is None:
        return f"{reached:.2f}"
    return f"{reached:.2f} ({reached / max(known['matmul'], known['linear'], known['conv']):.0%})"
