"""What each lever costs in quality and saves in work, on the built-in checkpoint.

    python -m studies.levers.measure --count 100

Every picture is painted by the engine from the same prompt and seed: once in many steps, and once by each
lever. What is compared with the picture of many steps is the lever's, in decibels and as the judge's layers
see it; the judge also says whether what was asked for is there. The judge is `studies.emoji.judge`'s.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from gesso.generation.generate import paint
from gesso.model import Model, load
from gesso.request import Request
from gesso.runtime.machine import machine
from studies.emoji.judge import Judge, judge
from studies.emoji.judge import load as load_judge
from studies.emoji.score import Prompt, grid, prompts
from studies.levers.distances import perceived, psnr
from studies.levers.levers import LEVERS, Lever

MANY = 64
"""Steps of the picture that all others are compared with."""
SHOWN = 8
"""Prompts in the picture of pictures."""


@dataclass(frozen=True)
class Painted:
    """Pictures of one lever, within -1…1, and what all of them took.

    Args:
        tflop: operations of one picture, 10^12.
        seconds: of one picture, the median.
    """

    pictures: Float[Tensor, "b 3 h w"]
    tflop: float
    seconds: float


def painted(model: Model, asked: Sequence[Prompt], lever: Lever, seed: int) -> Painted:
    """Every prompt by a lever."""
    pictures, tflop, seconds = list[Image.Image](), list[float](), list[float]()
    for i, prompt in enumerate(asked):
        began = time.perf_counter()
        result = paint(
            model, Request.model_validate({"prompt": prompt.text, "seed": seed + i, **lever.fields})
        )
        seconds.append(time.perf_counter() - began)
        assert result.cost is not None
        pictures.append(result.images[0])
        tflop.append(result.cost.tflop)
    stacked = torch.from_numpy(np.stack([np.asarray(each, dtype=np.float32) for each in pictures]))
    values = stacked.permute(0, 3, 1, 2) / 127.5 - 1
    return Painted(values, float(np.mean(tflop)), float(np.median(seconds)))


def told(found: Painted, full: Painted, network: Judge, asked: Sequence[Prompt]) -> dict[str, float]:
    """The numbers of one lever."""
    right = judge(network, found.pictures, [prompt.scene for prompt in asked])
    return {
        "psnr": round(float(psnr(found.pictures, full.pictures).median()), 2),
        "perceived": round(float(perceived(network, found.pictures, full.pictures).mean()), 4),
        "thing": round(float(right.thing.mean()), 3),
        "count": round(float(right.count.mean()), 3),
        "background": round(float(right.background.mean()), 3),
        "tflop": round(found.tflop, 5),
        "seconds": round(found.seconds, 4),
    }


def table(levers: dict[str, dict[str, float]]) -> str:
    """As Markdown."""
    own = levers["the model's own choice"]
    lines = [
        "| | operations | seconds | PSNR | perceived | right object | count | background |",
        "|---" * 8 + "|",
    ]
    for name, said in levers.items():
        lines.append(
            f"| {name} | {said['tflop'] / own['tflop']:.0%} | {said['seconds'] / own['seconds']:.0%} "
            f"| {said['psnr']:.1f} dB | {said['perceived']:.3f} | {said['thing']:.0%} | {said['count']:.0%} "
            f"| {said['background']:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Paint, compare, keep, print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--judge", type=Path, default=Path("runs/emoji"))
    options.add_argument("--tiny", type=Path, help="a tiny decoder's file, by studies/levers/tiny.toml")
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--levers", nargs="*", choices=LEVERS, help="only these, beside the first")
    options.add_argument("--out", type=Path, default=Path("studies/levers/levers.json"))
    options.add_argument("--grid", type=Path, default=Path("studies/levers/grid.png"))
    asked = options.parse_args()
    wanted, network = prompts(asked.count, asked.seed), load_judge(asked.judge)
    model = load()
    tiny = None if asked.tiny is None else load(vae=asked.tiny)
    full = painted(model, wanted, Lever({"steps": MANY}), 1000 * asked.seed)
    rows = [full.pictures[:SHOWN]]
    found: dict[str, dict[str, float]] = {f"{MANY} steps": told(full, full, network, wanted)}
    for name, lever in LEVERS.items():
        with_it = tiny if lever.tiny else model
        if with_it is None or (asked.levers and name not in {*asked.levers, "the model's own choice"}):
            continue
        each = painted(with_it, wanted, lever, 1000 * asked.seed)
        rows.append(each.pictures[:SHOWN])
        found[name] = told(each, full, network, wanted)
        print(name, json.dumps(found[name]), flush=True)
    kept: dict[str, Any] = {
        "prompts": asked.count,
        "machine": machine(),
        "model": model.path.name,
        "levers": found,
    }
    asked.out.write_text(json.dumps(kept, indent=2) + "\n")
    labels = [name if i == 0 else "" for name in found for i in range(min(SHOWN, asked.count))]
    grid(torch.cat(rows), labels, min(SHOWN, asked.count), 1).save(asked.grid)
    print(table(found))


if __name__ == "__main__":
    main()
