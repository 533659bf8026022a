"""A study as one command: its programs in order, those left out whose file is there."""

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Step", "carry_out", "training"]


@dataclass(frozen=True)
class Step:
    """One program of a study.

    Args:
        makes: the file that shows it is done.
        module: as `python -m` names it.
    """

    makes: Path
    module: str
    options: tuple[str, ...] = ()


def training(recipe: Path, makes: Path) -> Step:
    """A recipe of `gesso train`."""
    return Step(makes, "gesso", ("train", str(recipe)))


def carry_out(steps: Iterable[Step]) -> None:
    """Do what is not done; the first program that fails ends it."""
    for step in steps:
        if step.makes.exists():
            continue
        command = ["-m", step.module, *step.options]
        print(" ".join(command), flush=True)
        subprocess.run([sys.executable, *command], check=True)
        step.makes.touch()
