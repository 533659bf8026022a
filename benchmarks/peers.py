"""gesso beside diffusers: import, load, memory and step time on the same full-size files, in turn.

    python -m benchmarks.peers --folder /var/tmp/bench --out benchmarks/peers.json

Every measurement is a fresh process; the programs take turns; medians are reported. Both compute in the
numbers that this machine is fast at, bfloat16 where the processor multiplies it, float32 elsewhere. The
files have random weights, which changes nothing of their cost.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from gesso.runtime.machine import machine, peak

SIZES = {"sd-v1": 512, "sdxl-base": 1024}
PROGRAMS = ("gesso", "diffusers")
FIGURES = ("import_s", "load_s", "load_peak_gb", "step_s", "decode_s", "peak_gb")
CFG = 7.0


def measure_gesso(file: Path, size: int, steps: int, dtype: str) -> dict[str, float]:
    """gesso's figures, in this process."""
    began = time.perf_counter()
    import gesso

    load, generate = gesso.load, gesso.generate
    imported = time.perf_counter()
    model = load(file, device="cpu", dtype=dtype)
    loaded, load_peak = time.perf_counter(), _held()
    request = gesso.Request(
        prompt="a cat", size=(size, size), steps=steps, sampler="euler", schedule="normal", cfg=CFG, seed=0
    )
    ticks, painted = [time.perf_counter()], 0.0
    for event in generate(model, request):
        if isinstance(event, gesso.Stepped):
            ticks.append(time.perf_counter())
        if isinstance(event, gesso.Painted):
            painted = time.perf_counter()
    return _figures((began, imported, loaded), load_peak, ticks, painted)


def measure_diffusers(file: Path, size: int, steps: int, dtype: str) -> dict[str, float]:
    """diffusers' figures, in this process, channels last."""
    began = time.perf_counter()
    import diffusers
    import torch

    name = "StableDiffusionXLPipeline" if "xl" in file.name else "StableDiffusionPipeline"
    pipeline = getattr(diffusers, name)
    imported = time.perf_counter()
    config = file.parent / f"{file.stem}-config"
    pipe = pipeline.from_single_file(
        str(file), config=str(config), local_files_only=True, torch_dtype=getattr(torch, dtype)
    )
    pipe.unet.to(memory_format=torch.channels_last)
    pipe.vae.to(memory_format=torch.channels_last)
    loaded, load_peak = time.perf_counter(), _held()
    pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    ticks = [time.perf_counter()]

    def tick(_pipe: object, _step: int, _t: object, kept: dict[str, object]) -> dict[str, object]:
        ticks.append(time.perf_counter())
        return kept

    pipe(
        "a cat",
        height=size,
        width=size,
        num_inference_steps=steps,
        guidance_scale=CFG,
        callback_on_step_end=tick,
    )
    return _figures((began, imported, loaded), load_peak, ticks, time.perf_counter())


def _held() -> float:
    """The most memory this process ever held, 10^9 bytes."""
    return (peak() or 0) / 1e9


def _figures(
    marks: tuple[float, float, float], load_peak: float, ticks: list[float], painted: float
) -> dict[str, float]:
    """Step time is the median without the first step, which also encodes the prompt and warms up."""
    steps = [after - before for before, after in pairwise(ticks[1:])]
    return {
        "import_s": marks[1] - marks[0],
        "load_s": marks[2] - marks[1],
        "load_peak_gb": load_peak,
        "step_s": statistics.median(steps),
        "decode_s": painted - ticks[-1],
        "peak_gb": _held(),
    }


def fresh(program: str, file: Path, size: int, steps: int, dtype: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers", "--measure", program, "--file", str(file)]
    command += ["--size", str(size), "--steps", str(steps), "--dtype", dtype]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=offline)
    return json.loads(done.stdout.strip().splitlines()[-1])


def prepared(family: str, folder: Path) -> Path:
    """The random checkpoint and diffusers' configuration beside it, written where they are not there yet."""
    from benchmarks.diffusers_folder import write as write_folder
    from benchmarks.parity import CASES
    from benchmarks.random_checkpoint import PLANS, write

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{family}.safetensors"
    if not file.exists():
        write(PLANS[family], file, "float16")
    write_folder(family, CASES[family], folder / f"{family}-config")
    return file


def fast_dtype() -> str:
    """The number type that this machine's processor is fast at."""
    import torch

    from gesso.runtime.device import choose_dtype

    return str(choose_dtype("auto", torch.device("cpu"))).removeprefix("torch.")


def table(results: dict[str, dict[str, list[dict[str, float]]]]) -> str:
    """Medians as a Markdown table."""
    lines = [
        "| file | program | import | load | peak while loading | step | decode | peak |",
        "|---" * 8 + "|",
    ]
    for family, programs in results.items():
        for program, runs in programs.items():
            cells = []
            for figure in FIGURES:
                middle = statistics.median(run[figure] for run in runs)
                cells.append(f"{middle:.2f} {'GB' if figure.endswith('gb') else 's'}")
            lines.append(f"| {family} | {program} | {' | '.join(cells)} |")
    return "\n".join(lines)


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
    parser.add_argument("--measure", choices=PROGRAMS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        one = measure_gesso if arguments.measure == "gesso" else measure_diffusers
        print(json.dumps(one(arguments.file, arguments.size, arguments.steps, arguments.dtype)))
        return
    dtype = fast_dtype() if arguments.dtype == "auto" else arguments.dtype
    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    for family in arguments.families:
        file = prepared(family, arguments.folder)
        results[family] = {program: [] for program in PROGRAMS}
        for _ in range(arguments.rounds):
            for program in PROGRAMS:
                results[family][program].append(fresh(program, file, SIZES[family], arguments.steps, dtype))
                print(family, program, results[family][program][-1], flush=True)
    arguments.out.write_text(
        json.dumps(
            {"machine": {**machine(), "diffusers": version("diffusers")}, "dtype": dtype, "results": results},
            indent=2,
        )
        + "\n"
    )
    print(table(results))


if __name__ == "__main__":
    main()
