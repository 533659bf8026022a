"""`gesso bench`: what painting costs on this machine, beside other programs."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AliasChoices, BaseModel, ByteSize, Field
from pydantic_settings import CliImplicitFlag

if TYPE_CHECKING:
    from gesso.bench.figures import Case, Figures

__all__ = ["Bench"]


class Bench(BaseModel, use_attribute_docstrings=True):
    """Measure import, load, memory and painting, beside installed programs, each in a process of its own."""

    model: Annotated[Path | None, Field(validation_alias=AliasChoices("m", "model"))] = None
    """The checkpoint file; unless given, the built-in checkpoint."""
    size: int | None = Field(default=None, ge=64, multiple_of=8)
    """Pixels along the picture's sides; unless given, what the model was made for."""
    steps: int = Field(default=4, ge=2)
    """Steps; the first is not counted."""
    also_steps: tuple[int, ...] = ()
    """More numbers of steps to paint with, for the plot."""
    also_size: tuple[int, ...] = ()
    """More sizes."""
    also_count: tuple[int, ...] = ()
    """More numbers of pictures."""
    programs: tuple[str, ...] = ("gesso", "diffusers")
    """Who paints, where it is installed: gesso, gesso-plain (by torch's own kernels), diffusers,
    diffusers-compiled, openvino, stable-diffusion.cpp; diffusers and OpenVINO also need --config."""
    config: Path | None = None
    """diffusers' configuration of the checkpoint, a folder, since nothing is downloaded; what is compiled and
    converted is kept in it."""
    memory: ByteSize | None = None
    """What gesso may take, as for `generate`."""
    rounds: int = Field(default=3, ge=1)
    """How often each program paints each case; they take turns."""
    dtype: str = "auto"
    """auto, float32 or bfloat16, for all programs."""
    out: Path = Path("bench.json")
    """Where what was measured is written, with the machine it was measured on."""
    profile: CliImplicitFlag[bool] = True
    """Remember how fast gesso was, for `generate --within`."""
    plot: CliImplicitFlag[bool] = False
    """Also draw programs side by side, and cost against whatever varies, beside `out` (needs matplotlib)."""

    def cli_cmd(self) -> None:
        """Measure, and print the medians as a table."""
        from gesso.bench.records import Measured, Record, step_work
        from gesso.bench.rounds import ceilings, rounds
        from gesso.bench.tables import ratios, table
        from gesso.runtime.machine import machine

        record = Record(machine())
        for name, case in self._cases():
            runs = rounds(case, self.programs, self.rounds, _told)
            record.cases[name] = Measured(case, runs, step_work(case))
            record.ceilings[case.dtype] = record.ceilings.get(case.dtype) or ceilings(case.dtype)
        record.write(self.out)
        sys.stdout.write(f"{table(record)}\n")
        if any(len(each.runs) > 1 for each in record.cases.values()):
            sys.stdout.write(f"\nBeside gesso, times as much:\n\n{ratios(record)}\n")
        if self.profile:
            from gesso.bench.profile import points
            from gesso.runtime.profile import keep, profile_file

            keep(points(record), profile_file())
        if self.plot:
            from gesso.bench.plots import bars, plot

            for path in (*plot(record, self.out), bars(record, self.out)):
                sys.stdout.write(f"{path}\n")

    def _cases(self) -> "list[tuple[str, Case]]":
        """The case, and those in which one thing is otherwise."""
        from gesso.bench.figures import Case
        from gesso.checkpoint.file import Checkpoint
        from gesso.families.identify import identify
        from gesso.model import builtin
        from gesso.runtime.device import choose_device, choose_dtype

        file = self.model or builtin()
        size = self.size or identify(Checkpoint.open(file)).facts.defaults.size[0]
        dtype = str(choose_dtype(self.dtype, choose_device("cpu"))).removeprefix("torch.")
        memory = None if self.memory is None else int(self.memory)
        case = Case(file, size, self.steps, 1, dtype, self.config, memory)
        others = [replace(case, steps=each) for each in self.also_steps]
        others += [replace(case, size=each) for each in self.also_size]
        others += [replace(case, count=each) for each in self.also_count]
        return [(_name(each), each) for each in (case, *others)]


def _name(case: "Case") -> str:
    many = f", {case.count} pictures" if case.count > 1 else ""
    return f"{case.file.stem}, {case.size}x{case.size}, {case.steps} steps{many}"


def _told(program: str, found: "Figures") -> None:
    sys.stderr.write(f"{program}: {found.total_s:.2f} s to paint, {found.peak_gb:.2f} GB\n")
