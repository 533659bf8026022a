"""Rounds: every program in turn, each time in a process of its own; the middle and the spread."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from gesso.bench.figures import Case, Figures
from gesso.bench.programs import PROGRAMS, Program
from gesso.errors import GessoError, UnknownName
from gesso.runtime.machine import machine

__all__ = ["Runs", "fresh", "record", "rounds", "table"]

Runs = dict[str, list[Figures]]
"""Program → what each of its runs cost."""


def rounds(
    case: Case, programs: Iterable[str], count: int, done: Callable[[str, Figures], None] | None = None
) -> Runs:
    """Each program that suits the case, in turn, as often as asked.

    Args:
        done: told of each run.

    Raises:
        UnknownName: a program is not known.
        GessoError: a run failed.
    """
    names = [name for name in programs if _known(name).suits(case)]
    runs: Runs = {name: [] for name in names}
    for _ in range(count):
        for name in names:
            runs[name].append(found := fresh(name, case))
            if done is not None:
                done(name, found)
    return runs


def _known(name: str) -> Program:
    if name not in PROGRAMS:
        raise UnknownName("program", name, [*PROGRAMS])
    return PROGRAMS[name]


def fresh(program: str, case: Case) -> Figures:
    """One run in a new process.

    Raises:
        GessoError: it failed; says how.
    """
    command = [sys.executable, "-m", "gesso.bench.alone", program, json.dumps(case.plain())]
    # the very gesso that asks is measured, wherever it lies
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": paths}
    run = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    lines = (run.stdout if run.returncode == 0 else run.stderr).strip().splitlines()
    if run.returncode or not lines:
        said = lines[-1] if lines else "nothing"
        raise GessoError(f"{program} must paint the case to be measured, however: it said {said!r}")
    return Figures(**json.loads(lines[-1]))


def record(cases: Mapping[str, tuple[Case, Runs]]) -> dict[str, Any]:
    """Everything that was measured, with the machine, as plain data."""
    return {
        "machine": machine(),
        "cases": {
            name: {
                "case": {**case.plain(), "file": case.file.name, "config": case.config and case.config.name},
                "runs": {program: [asdict(each) for each in runs] for program, runs in found.items()},
            }
            for name, (case, found) in cases.items()
        },
    }


def table(cases: Mapping[str, tuple[Case, Runs]]) -> str:
    """Medians as a Markdown table, and in brackets how far the runs lie apart."""
    names = [each.name for each in fields(Figures)]
    heads = [name.rsplit("_", 1)[0].replace("_", " ") for name in names]
    lines = [f"| case | program | {' | '.join(heads)} |", "|---" * (2 + len(names)) + "|"]
    for case, (_, found) in cases.items():
        for program, runs in found.items():
            cells = (_cell(name, [getattr(each, name) for each in runs]) for name in names)
            lines.append(f"| {case} | {program} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name: str, values: Sequence[float]) -> str:
    unit = "GB" if name.endswith("gb") else "s"
    spread = f" (±{(max(values) - min(values)) / 2:.2f})" if len(values) > 1 else ""
    return f"{statistics.median(values):.2f}{spread} {unit}"
