"""Rounds: every program in turn, each time in a process of its own."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from gesso.bench.figures import Case, Figures
from gesso.bench.processes import answer
from gesso.bench.programs import PROGRAMS, Program
from gesso.bench.records import Runs
from gesso.errors import UnknownName

__all__ = ["ceilings", "fresh", "rounds"]

PIECE = 2**24
"""Bytes that are read at once."""


def rounds(
    case: Case, programs: Iterable[str], count: int, done: Callable[[str, Figures], None] | None = None
) -> Runs:
    """Each program that suits the case, in turn, as often as asked.

    All find the checkpoint in the system's cache, as far as it holds that.

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
            _at_hand(case.file)
            runs[name].append(found := fresh(name, case))
            if done is not None:
                done(name, found)
    return runs


def _at_hand(path: Path) -> None:
    """Read a file, or a folder's files, whole: the run before may have driven it from the system's cache."""
    for each in (path,) if path.is_file() else path.rglob("*"):
        if each.is_file():
            with each.open("rb", buffering=0) as file:
                while file.read(PIECE):
                    pass


def _known(name: str) -> Program:
    if name not in PROGRAMS:
        raise UnknownName("program", name, [*PROGRAMS])
    return PROGRAMS[name]


def fresh(program: str, case: Case) -> Figures:
    """One run in a new process.

    Raises:
        GessoError: it failed; says how.
    """
    return Figures(**json.loads(answer("gesso.bench.alone", program, json.dumps(case.plain()))))


def ceilings(dtype: str, device: str = "cpu") -> dict[str, float]:
    """What this machine reaches at most in a number type, measured in a new process.

    Raises:
        GessoError: measuring failed; says how.
    """
    return json.loads(answer("gesso.bench.ceilings", dtype, device))
