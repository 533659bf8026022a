"""One full-size picture under ceilings of memory: what is held, what it costs, and that it is the same.

    python -m benchmarks.small --folder /var/tmp/bench --out benchmarks/small.json

Every ceiling is a fresh process, whose largest resident size (VmHWM: its own pages and those of files that it
has mapped and touched; on a card, what torch has reserved there) is held against the ceiling. The system's
cache of the checkpoint file, which it takes back when it is short of memory, is not counted. The first
process has no ceiling, and the others must give its latents to the bit. The file has random weights, which
changes nothing of the cost.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.random_checkpoint import PLANS, write
from gesso.runtime.machine import machine, peak


def measured(file: Path, ceiling: float, asked: argparse.Namespace) -> dict[str, Any]:
    """One picture in this process.

    Args:
        ceiling: 10^9 bytes; 0 for none.
        asked: size, steps and rounding of weights.
    """
    import gesso

    began = time.perf_counter()
    size, steps = asked.size, asked.steps
    model = gesso.load(file, device=asked.device, memory=int(ceiling * 1e9) or None, quantize=asked.quantize)
    request = gesso.Request(
        prompt="a cat", size=(size, size), steps=steps, sampler="euler", schedule="normal", cfg=7.0, seed=0
    )
    ticks, latents, painted, result = [began], b"", 0.0, None
    for event in gesso.generate(model, request):
        match event:
            case gesso.Planned():
                ticks.append(time.perf_counter())
            case gesso.Stepped():
                ticks.append(time.perf_counter())
                latents = event.step.x.cpu().numpy().tobytes()
            case gesso.Painted():
                painted = time.perf_counter()
            case gesso.Finished():
                result = event.result
            case _:
                pass
    assert result is not None
    return {
        "ceiling_gb": ceiling,
        "held_gb": round(_held(asked.device) / 1e9, 2),
        "load_and_words_s": round(ticks[1] - began, 2),
        "step_s": round(statistics.median(after - before for before, after in pairwise(ticks[1:])), 2),
        "decode_s": round(painted - ticks[-1], 2),
        "latents": hashlib.sha256(latents).hexdigest()[:16],
        "pixels": hashlib.sha256(result.images[0].tobytes()).hexdigest()[:16],
        "notes": result.notes,
    }


def _held(device: str) -> int:
    if device == "cpu":
        return peak() or 0
    import torch

    return torch.cuda.max_memory_reserved()


def main() -> None:
    """The command line; ends with 1 where a ceiling was not held or latents differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--family", choices=PLANS, default="sdxl-base")
    parser.add_argument("--ceilings", type=float, nargs="+", default=[4.5, 3.0], help="10^9 bytes")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--quantize", choices=("none", "int8", "int4"), default="none")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/small.json"))
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    file = asked.folder / f"{asked.family}.safetensors"
    if asked.one is not None:
        print(json.dumps(measured(file, asked.one, asked)))
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        write(PLANS[asked.family], file, "float16")
    runs = [_fresh(asked, ceiling) for ceiling in (0.0, *asked.ceilings)]
    record = {
        "machine": machine(),
        "family": asked.family,
        "size": asked.size,
        "steps": asked.steps,
        "quantize": asked.quantize,
        "runs": runs,
    }
    asked.out.write_text(json.dumps(record, indent=2) + "\n")
    held = all(run["held_gb"] <= run["ceiling_gb"] for run in runs[1:])
    same = all(run["latents"] == runs[0]["latents"] for run in runs)
    sys.exit(0 if held and same else 1)


def _fresh(asked: argparse.Namespace, ceiling: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.small", "--one", str(ceiling), "--folder", str(asked.folder)]
    command += ["--family", asked.family, "--size", str(asked.size), "--steps", str(asked.steps)]
    command += ["--quantize", asked.quantize, "--device", asked.device]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    print(found, flush=True)
    return found


if __name__ == "__main__":
    main()
