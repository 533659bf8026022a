"""What was measured: written down with the machine, and read again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from gesso.bench.figures import Case, Figures

__all__ = ["Measured", "Record", "Runs", "step_work"]

Runs = dict[str, list[Figures]]
"""Program → what each of its runs cost."""


@dataclass(frozen=True)
class Measured:
    """What was painted and what it cost.

    Args:
        case: what was painted.
        runs: by program.
        tflop: operations of one step with guidance, 10^12; None where the model's are not counted.
    """

    case: Case
    runs: Runs
    tflop: float | None = None

    def plain(self) -> dict[str, Any]:
        """The same as JSON can hold it; of files the names alone."""
        case = {**self.case.plain(), "file": self.case.file.name}
        case["config"] = self.case.config and self.case.config.name
        runs = {program: [asdict(each) for each in found] for program, found in self.runs.items()}
        return {"case": case, "tflop": self.tflop, "runs": runs}

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """What `plain` wrote."""
        runs = {program: [Figures(**each) for each in found] for program, found in plain["runs"].items()}
        return cls(Case.read(plain["case"]), runs, plain["tflop"])


@dataclass
class Record:
    """Everything measured on one machine.

    Args:
        machine: what it is.
        ceilings: by number type, what it reaches at most, as `ceilings` tells it.
        cases: by name.
    """

    machine: dict[str, str]
    ceilings: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    cases: dict[str, Measured] = field(default_factory=dict[str, Measured])

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        cases = {name: each.plain() for name, each in self.cases.items()}
        plain = {"machine": self.machine, "ceilings": self.ceilings, "cases": cases}
        path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote."""
        plain = json.loads(path.read_text(encoding="utf-8"))
        cases = {name: Measured.read(each) for name, each in plain["cases"].items()}
        return cls(plain["machine"], plain["ceilings"], cases)


def step_work(case: Case) -> float:
    """Operations of one step of a case, both rows of guidance, 10^12, counted from the file's header."""
    from gesso.checkpoint.file import Checkpoint
    from gesso.families.identify import identify
    from gesso.families.work import unet_work

    shapes = identify(Checkpoint.open(case.file)).checkpoint.shapes.under("model.diffusion_model.")
    side = case.size // 8
    return 2 * unet_work(shapes, (side, side)) / 1e12
