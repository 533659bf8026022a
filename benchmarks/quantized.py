"""Weights rounded to few bits: what a step and the memory are, and how far pictures move.

    python -m benchmarks.quantized --folder /var/tmp/bench --family sdxl-base --out benchmarks/quantized.json
    python -m benchmarks.quantized --pictures --out benchmarks/quantized.json

The first takes a full-size file with random weights, in a fresh process for each rounding: one step with
guidance that is not counted, then some that are, and the largest resident size. The second paints with the
built-in checkpoint and holds pictures against those of whole weights with the same seeds. What they show is
judged by `python -m studies.emoji.score`. A page of the file is replaced.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.calls import SIZES, inputs
from benchmarks.random_checkpoint import PLANS, write
from gesso.generation.generate import paint
from gesso.generation.large import present
from gesso.model import ROUNDINGS, load
from gesso.request import Request
from gesso.runtime.machine import machine, peak
from gesso.runtime.quantized import Quantized
from gesso.tuned import tuned

PROMPTS = ("three strawberries", "a cat with sunglasses", "a red car", "a snowman under a rainbow")


def measured(file: Path, quantize: str, size: int, steps: int) -> dict[str, Any]:
    """Steps by one rounding, in this process."""
    began = time.perf_counter()
    model = load(file, device="cpu", dtype="bfloat16", quantize=quantize)
    loaded, held = time.perf_counter() - began, peak() or 0
    network, told, times = model.networks["unet"], inputs(model, size), list[float]()
    weights = [*network.parameters()]
    rounded = sum(each.numel() for each in weights if isinstance(each, Quantized))
    with torch.inference_mode(), tuned([network]):
        for _ in range(1 + steps):
            began = time.perf_counter()
            network(*told)
            times.append(time.perf_counter() - began)
    return {
        "quantize": quantize,
        "weights_gb": round(present(model) / 1e9, 2),
        "rounded_share": round(rounded / sum(each.numel() for each in weights), 4),
        "load_s": round(loaded, 2),
        "held_when_loaded_gb": round(held / 1e9, 2),
        "held_gb": round((peak() or 0) / 1e9, 2),
        "first_step_s": round(times[0], 2),
        "step_s": round(statistics.median(times[1:]), 2),
        "steps_s": [round(each, 2) for each in times[1:]],
    }


def pictures(steps: int) -> list[dict[str, Any]]:
    """How far pictures by the built-in checkpoint are from those of whole weights, of 255."""
    found: dict[str, list[np.ndarray[Any, Any]]] = {}
    for quantize in ROUNDINGS:
        model = load(device="cpu", dtype="bfloat16", quantize=quantize)
        asks = (Request(prompt=prompt, steps=steps, seed=seed) for seed, prompt in enumerate(PROMPTS))
        found[quantize] = [np.asarray(paint(model, ask).images[0], float) for ask in asks]
    return [
        {
            "quantize": quantize,
            "steps": steps,
            "prompts": len(PROMPTS),
            **_apart(found["none"], found[quantize]),
        }
        for quantize in ROUNDINGS[1:]
    ]


def _apart(whole: list[np.ndarray[Any, Any]], other: list[np.ndarray[Any, Any]]) -> dict[str, Any]:
    off = [np.abs(a - b) for a, b in zip(whole, other, strict=True)]
    return {
        "most": max(float(each.max()) for each in off),
        "mean": [round(float(each.mean()), 2) for each in off],
        "psnr_db": [round(10 * math.log10(255**2 / float(np.square(each).mean())), 1) for each in off],
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--family", choices=SIZES, default="sdxl-base")
    parser.add_argument("--roundings", nargs="+", choices=ROUNDINGS, default=["none", "int8"])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--pictures", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/quantized.json"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    file = asked.folder / f"{asked.family}.safetensors"
    if asked.one:
        print(json.dumps(measured(file, asked.one, SIZES[asked.family], asked.steps)))
        return
    pages: dict[str, Any] = json.loads(asked.out.read_text())["pages"] if asked.out.exists() else {}
    if asked.pictures:
        pages["pictures"] = pictures(asked.steps)
    else:
        asked.folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            write(PLANS[asked.family], file, "float16")
        rows = {row["quantize"]: row for row in pages.get(asked.family, [])}
        rows |= {each: _fresh(asked, each) for each in asked.roundings}
        pages[asked.family] = [rows[each] for each in ROUNDINGS if each in rows]
    asked.out.write_text(json.dumps({"machine": machine(), "pages": pages}, indent=2) + "\n")


def _fresh(asked: argparse.Namespace, quantize: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.quantized", "--one", quantize, "--folder", str(asked.folder)]
    command += ["--family", asked.family, "--steps", str(asked.steps)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    print(found, flush=True)
    return found


if __name__ == "__main__":
    main()
