"""gesso beside diffusers: import, load, memory and step time on the same full-size files, in turn.

    python -m benchmarks.peers --folder /var/tmp/bench --out benchmarks/peers.json

This writes random checkpoints and diffusers' configurations of them, and measures as `gesso bench` does:
every measurement is a fresh process; the programs take turns; medians are told. Both compute in the numbers
that this machine is fast at, bfloat16 where the processor multiplies it, float32 elsewhere. Random weights
change nothing of the cost.
"""

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.diffusers_folder import write as write_folder
from benchmarks.parity import CASES
from benchmarks.random_checkpoint import PLANS, write
from gesso.bench.figures import Case
from gesso.bench.programs import PROGRAMS
from gesso.bench.rounds import Runs, record, rounds, table
from gesso.runtime.device import choose_dtype

SIZES = {"sd-v1": 512, "sdxl-base": 1024}


def prepared(family: str, folder: Path) -> tuple[Path, Path]:
    """The random checkpoint and diffusers' configuration beside it, written where they are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    file, config = folder / f"{family}.safetensors", folder / f"{family}-config"
    if not file.exists():
        write(PLANS[family], file, "float16")
    write_folder(family, CASES[family], config)
    return file, config


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/peers.json"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--families", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--dtype", default="auto", help="auto, float32 or bfloat16")
    asked = parser.parse_args()
    dtype = str(choose_dtype(asked.dtype, torch.device("cpu"))).removeprefix("torch.")
    found: dict[str, tuple[Case, Runs]] = {}
    for family in asked.families:
        file, config = prepared(family, asked.folder)
        case = Case(file, SIZES[family], asked.steps, 1, dtype, config)
        runs = rounds(case, PROGRAMS, asked.rounds, lambda *each: print(*each, file=sys.stderr, flush=True))
        found[family] = (case, runs)
    told = record(found)
    told["machine"] |= {"diffusers": version("diffusers")}
    asked.out.write_text(json.dumps(told, indent=2) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
