"""What full-size training takes: three steps, their time, and the most memory they held.

    python -m benchmarks.training_cost sdxl-lora --folder runs/training-cost
    python -m benchmarks.training_cost sd-v1-full --folder runs/training-cost

A checkpoint with random weights is written first, unless it is there (SDXL 7 GB, SD 1.5 2 GB in float16). A
step is one picture of 512x512: SDXL with a LoRA of rank 8 on a base in bfloat16, and the whole UNet of SD 1.5
in float32, by Adafactor and without an average.
"""

import argparse
import json
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.random_checkpoint import PLANS, write
from gesso.training.job import Job
from gesso.training.loop import Progress
from gesso.training.recipe import Training
from gesso.training.setup import opened

SIDE = 512
CASES: dict[str, dict[str, Any]] = {
    "sdxl-lora": {
        "family": "sdxl-base",
        "dtype": "bfloat16",
        "subject": {"kind": "lora", "rank": 8},
        "recompute": "blocks",
    },
    "sd-v1-full": {
        "family": "sd-v1",
        "dtype": "bfloat16",
        "subject": {"kind": "full"},
        "recompute": "blocks",
        "run": {"optimizer": "adafactor"},
    },
}
"""What is trained, by the names of the command line."""


def recipe(name: str, folder: Path) -> Training:
    """Three steps on two pictures."""
    case = dict(CASES[name])
    checkpoint = folder / f"{case.pop('family')}.safetensors"
    if not checkpoint.exists():
        write(PLANS[checkpoint.stem], checkpoint, "float16")
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for i in range(2):
        numbers = np.random.default_rng(i).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(numbers).resize((SIDE, SIDE)).save(pictures / f"{i}.png")
        (pictures / f"{i}.txt").write_text("a thing")
    run = {"steps": 3, "warmup": 0, "average": 0.0, "report_every": 1, **case.pop("run", {})}
    out = folder / name
    fields = {
        "model": checkpoint,
        "out": out,
        "size": (SIDE, SIDE),
        "data": [{"folder": pictures}],
        "run": run,
    }
    return Training.model_validate(fields | case)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--folder", type=Path, default=Path("runs/training-cost"))
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    job = Job(opened(recipe(asked.case, asked.folder)))
    for _ in job.look():
        pass
    seconds: list[float] = []
    for event in job.carried_out():
        if isinstance(event, Progress):
            seconds.append(round(event.seconds, 2))
            print(f"step {event.step}: loss {event.loss:.4f}, {event.seconds:.1f} s", flush=True)
    # kilobytes on Linux, bytes on macOS
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"case": asked.case, "seconds": seconds, "peak_bytes": peak}))


if __name__ == "__main__":
    main()
