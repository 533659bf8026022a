"""What full-size training takes: time and memory, beside the same step in diffusers and peft.

    pip install peft accelerate
    python -m benchmarks.training_cost --folder runs/training-cost --out benchmarks/training_cost.json

A checkpoint with random weights is written first, unless it is there (SDXL 7 GB, SD 1.5 2 GB in float16).
Every measurement is a fresh process of three steps on one picture of 512x512; the programs take turns. The
first step, which also sets up the kernels, is not counted in the samples per second. Both compute in
bfloat16. gesso's peak is of everything from the file to the last step, with all networks loaded, and with
pictures and words encoded; diffusers is given them encoded and holds the UNet alone.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.random_checkpoint import PLANS, write

SIDE = 512
STEPS = 3
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sdxl-lora": ("sdxl-base", {"subject": {"kind": "lora", "rank": 8}}),
    "sdxl-lora-recomputed": ("sdxl-base", {"subject": {"kind": "lora", "rank": 8}, "recompute": "blocks"}),
    "sd-v1-full": (
        "sd-v1",
        {"subject": {"kind": "full"}, "recompute": "blocks", "run": {"fused_backward": True}},
    ),
}
"""What is trained, by the names of the command line: the family, and the recipe where it says something."""
PROGRAMS = ("gesso", "diffusers")


def recipe(name: str, folder: Path) -> Any:
    """Three steps on two pictures."""
    from gesso.training.recipe import Training

    family, fields = CASES[name]
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for i in range(2):
        numbers = np.random.default_rng(i).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(numbers).resize((SIDE, SIDE)).save(pictures / f"{i}.png")
        (pictures / f"{i}.txt").write_text("a thing")
    run = {"steps": STEPS, "warmup": 0, "average": 0.0, "report_every": 1, **fields.get("run", {})}
    base = {
        "model": checkpoint(family, folder),
        "out": folder / name,
        "cache": folder / "cache",
        "size": (SIDE, SIDE),
        "dtype": "bfloat16",
        "data": [{"folder": pictures}],
    }
    return Training.model_validate({**base, **fields, "run": run})


def checkpoint(family: str, folder: Path) -> Path:
    """The random checkpoint, written where it is not there yet."""
    path = folder / f"{family}.safetensors"
    if not path.exists():
        write(PLANS[family], path, "float16")
    return path


def measure_gesso(name: str, folder: Path) -> list[float]:
    """Seconds of each step, in this process."""
    from gesso.training.job import Job
    from gesso.training.loop import Progress
    from gesso.training.setup import opened

    shutil.rmtree(folder / name, ignore_errors=True)
    job = Job(opened(recipe(name, folder)))
    for _ in job.look():
        pass
    seconds: list[float] = []
    for event in job.carried_out():
        if isinstance(event, Progress):
            seconds.append(round(event.seconds, 2))
        # what comes after the last step is the saving
        if len(seconds) == STEPS:
            break
    return seconds


def measure_diffusers(name: str, folder: Path) -> list[float]:
    """Seconds of each step, in this process."""
    from benchmarks.training_peer import full, lora

    family, fields = CASES[name]
    step = lora if fields["subject"]["kind"] == "lora" else full
    path = checkpoint(family, folder)
    return [round(each, 2) for each in step(path, STEPS, recompute="recompute" in fields)]


def fresh(program: str, name: str, folder: Path) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.training_cost", "--measure", program, "--cases", name]
    done = subprocess.run(
        [*command, "--folder", str(folder)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def peak() -> int:
    """The most bytes this process ever held."""
    # kilobytes on Linux, bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def said(name: str, program: str, runs: list[dict[str, Any]]) -> str:
    """A line for reading."""
    step = statistics.median(second for run in runs for second in run["seconds"][1:])
    most = max(run["peak_bytes"] for run in runs) / 2**30
    return f"{name:22} {program:10} {step:6.2f} s a step, {1 / step:.3f} samples/s, peak {most:.2f} GiB"


def machine() -> str:
    """What it ran on."""
    cpu = Path("/proc/cpuinfo").read_text()
    name = next(line.split(":")[1].strip() for line in cpu.splitlines() if "model name" in line)
    return f"{os.cpu_count()} cores of {name}, Python {platform.python_version()}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    parser.add_argument("--folder", type=Path, default=Path("runs/training-cost"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where results are kept, beside those that are there")
    parser.add_argument("--measure", choices=PROGRAMS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.measure:
        measure = measure_gesso if asked.measure == "gesso" else measure_diffusers
        seconds = measure(asked.cases[0], asked.folder)
        print(json.dumps({"seconds": seconds, "peak_bytes": peak()}))
        return
    known = json.loads(asked.out.read_text()) if asked.out and asked.out.exists() else {"cases": {}}
    for name in asked.cases:
        checkpoint(CASES[name][0], asked.folder)
        runs: dict[str, list[dict[str, Any]]] = known["cases"].setdefault(name, {})
        for _ in range(asked.rounds):
            for program in asked.programs:
                runs.setdefault(program, []).append(fresh(program, name, asked.folder))
        for program in asked.programs:
            print(said(name, program, runs[program]), flush=True)
        if asked.out:
            asked.out.write_text(json.dumps({"machine": machine(), **known}, indent=1) + "\n")


if __name__ == "__main__":
    main()
