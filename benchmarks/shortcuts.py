"""What a step takes with work left out, at full size.

    python -m benchmarks.shortcuts --folder /var/tmp/bench --families sd-v1 --out benchmarks/shortcuts.json

Random weights, the numbers and kernels that this machine is fast in; guidance at every step. Means over seven
steps without the first, of which caches every 2 and 3 compute three and two. A family's entry in the file is
replaced.
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.calls import SIZES
from benchmarks.random_checkpoint import PLANS, write
from gesso.generation.cost import denoising
from gesso.generation.events import Planned, Stepped
from gesso.generation.generate import generate
from gesso.model import Model, load
from gesso.request import Request
from gesso.runtime.machine import machine

STEPS = 7
LEFT_OUT: Mapping[str, dict[str, Any]] = {
    "nothing": {},
    "caching every 2": {"caching": {"every": 2}},
    "caching every 3": {"caching": {"every": 3}},
    "caching every 3, depth 1": {"caching": {"every": 3, "depth": 1}},
    "token merging 0.5": {"token_merging": 0.5},
}


def stepped(model: Model, size: int, left_out: dict[str, Any]) -> tuple[float, float]:
    """Seconds and 10^12 operations of a step."""
    fields = {
        "prompt": "a cat",
        "size": (size, size),
        "steps": STEPS,
        "sampler": "euler",
        "cfg": 7.0,
        "seed": 0,
    }
    done, tflop = list[float](), 0.0
    for event in generate(model, Request.model_validate({**fields, "shortcuts": left_out})):
        if isinstance(event, Planned):
            tflop = denoising(model, event.plan) / STEPS
        if isinstance(event, Stepped):
            done.append(time.perf_counter())
        if len(done) == STEPS:
            break
    return (done[-1] - done[0]) / (STEPS - 1), tflop


def measured(family: str, folder: Path) -> dict[str, Any]:
    """Every way to leave work out, after a run that is not counted."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{family}.safetensors"
    if not file.exists():
        write(PLANS[family], file, "float16")
    model = load(file, device="cpu")
    stepped(model, 256, {})
    found = {name: stepped(model, SIZES[family], left_out) for name, left_out in LEFT_OUT.items()}
    return {
        "size": SIZES[family],
        "machine": machine(),
        "steps": {name: {"seconds": seconds, "tflop": tflop} for name, (seconds, tflop) in found.items()},
    }


def table(kept: Mapping[str, Any]) -> str:
    """As Markdown."""
    lines = ["| | a step | times as fast | operations |", "|---|---|---|---|"]
    for family, said in kept.items():
        plain = said["steps"]["nothing"]
        for name, each in said["steps"].items():
            fast, share = plain["seconds"] / each["seconds"], each["tflop"] / plain["tflop"]
            lines.append(f"| {family}, {name} | {each['seconds']:.2f} s | {fast:.2f} | {share:.0%} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, keep, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/shortcuts.json"))
    parser.add_argument("--families", nargs="+", choices=SIZES, default=list(SIZES))
    asked = parser.parse_args()
    kept: dict[str, Any] = json.loads(asked.out.read_text()) if asked.out.is_file() else {}
    kept |= {family: measured(family, asked.folder) for family in asked.families}
    asked.out.write_text(json.dumps(kept, indent=2) + "\n")
    print(table(kept))


if __name__ == "__main__":
    main()
