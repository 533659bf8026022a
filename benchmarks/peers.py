"""gesso beside other programs: import, load, memory and step time on the same full-size files, in turn.

    python -m benchmarks.peers --folder /var/tmp/bench --families sd-v1 --rounds 2
    python -m benchmarks.peers --rounds 0 --into README.md docs/speed.md

This writes random checkpoints and diffusers' configurations of them, and measures as `gesso bench` does:
every measurement is a fresh process; the programs take turns; medians are told. All compute in the numbers
that this machine is fast at, bfloat16 where the processor multiplies it, float32 elsewhere. Random weights
change nothing of the cost. Rounds are added to those that the record has, so that many can be measured a few
at a time; `--anew` forgets those of the programs that are measured now. At the end the record's tables are
printed, its bars drawn, and the tables put where a file has room for them (`--into`).
"""

import argparse
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from benchmarks.calls import SIZES
from benchmarks.diffusers_folder import write as write_folder
from benchmarks.parity import CASES
from benchmarks.random_checkpoint import PLANS, write
from benchmarks.told import put
from gesso.bench.figures import Case, Figures
from gesso.bench.plots import bars
from gesso.bench.programs import PROGRAMS
from gesso.bench.records import Measured, Record, step_work
from gesso.bench.rounds import ceilings, rounds
from gesso.bench.tables import ratios, table
from gesso.runtime.device import choose_dtype
from gesso.runtime.machine import machine

PACKAGES = ("diffusers", "openvino", "stable-diffusion-cpp-python")
"""Whose versions the numbers depend on."""


def prepared(family: str, folder: Path) -> tuple[Path, Path]:
    """The random checkpoint and diffusers' configuration beside it, written where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    file, config = folder / f"{family}.safetensors", folder / f"{family}-config"
    if not file.exists():
        write(PLANS[family], file, "float16")
    write_folder(family, CASES[family], config)
    return file, config


def here() -> dict[str, str]:
    """This machine, and which peers are installed."""
    found = machine()
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def measure(record: Record, asked: argparse.Namespace) -> None:
    """Add rounds of every family to a record, which is written after each run."""
    dtype = str(choose_dtype(asked.dtype, torch.device(asked.device))).removeprefix("torch.")
    reached, known = ceilings(dtype, asked.device), record.ceilings.get(dtype, {})
    record.ceilings[dtype] = {name: max(each, known.get(name, 0.0)) for name, each in reached.items()}
    for family in asked.families:
        file, config = prepared(family, asked.folder)
        case = Case(file, SIZES[family], asked.steps, asked.count, dtype, config, device=asked.device)
        add_rounds(record, f"{family}, {dtype}", case, asked)


def add_rounds(record: Record, name: str, case: Case, asked: argparse.Namespace) -> None:
    """Add rounds to one case; those of other programs stay."""
    runs = dict(record.cases[name].runs) if name in record.cases else {}
    if asked.anew:
        runs = {program: each for program, each in runs.items() if program not in asked.programs}

    def done(program: str, found: Figures) -> None:
        print(name, program, found, file=sys.stderr, flush=True)
        runs.setdefault(program, []).append(found)
        ordered = {each: runs[each] for each in PROGRAMS if each in runs}
        record.cases[name] = Measured(case, ordered, step_work(case))
        record.write(asked.out)

    rounds(case, asked.programs, asked.rounds, done)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/peers.json"))
    parser.add_argument("--rounds", type=int, default=3, help="0: only tell what the record has")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--count", type=int, default=1, help="pictures one after another")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--families", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    parser.add_argument("--dtype", default="auto", help="auto, float32 or bfloat16")
    parser.add_argument("--anew", action="store_true")
    parser.add_argument("--room", default="", help="what the names of the tables' places begin with")
    parser.add_argument("--into", nargs="*", type=Path, default=[], help="files with room for the tables")
    asked = parser.parse_args()
    record = Record.read(asked.out) if asked.out.exists() else Record(here())
    if asked.rounds:
        if record.machine != here():
            raise SystemExit(
                f"{asked.out} must be of this machine and these versions, however: it is of others"
            )
        measure(record, asked)
    tables = {f"{asked.room}peers": table(record), f"{asked.room}ratios": ratios(record)}
    print("\n\n".join(tables.values()))
    print(bars(record, asked.out))
    for path in asked.into:
        put(tables, path)


if __name__ == "__main__":
    main()
