"""What a preview by a tiny decoder takes beside a step with guidance, at full size.

    python -m benchmarks.previews --folder /var/tmp/bench --families sd-v1 --out benchmarks/previews.json

Random weights, the numbers and kernels that this machine is fast in; every preview is asked for right after
its step. Medians without the first step. A family's entry in the file is replaced.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.calls import SIZES
from benchmarks.random_checkpoint import PLANS, write
from gesso.families.autoencoder_plan import tiny_decoder_shapes
from gesso.families.work import tiny_decoder_work, unet_work
from gesso.generation.events import Stepped
from gesso.generation.generate import generate
from gesso.model import load, sizes
from gesso.networks.initialise import initialise
from gesso.networks.tiny_autoencoder import TinyDecoder
from gesso.request import Request
from gesso.runtime.machine import machine


def tiny_file(folder: Path) -> Path:
    """A tiny decoder of the published size."""
    decoder = TinyDecoder(tiny_decoder_shapes())
    initialise(decoder, torch.Generator().manual_seed(0))
    path = folder / "tiny.safetensors"
    save_file(decoder.state_dict(), path)
    return path


def measured(family: str, folder: Path, steps: int) -> dict[str, Any]:
    """Seconds and operations of steps and their previews."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{family}.safetensors"
    if not file.exists():
        write(PLANS[family], file, "float16")
    model = load(file, device="cpu", previews=tiny_file(folder))
    size = (SIZES[family], SIZES[family])
    asked = Request(prompt="a cat", size=size, steps=steps, sampler="euler", cfg=7.0, seed=0)
    stepping, looking, side = list[float](), list[float](), (0, 0)
    began = time.perf_counter()
    for event in generate(model, asked):
        if isinstance(event, Stepped):
            done = time.perf_counter()
            side = event.preview().size
            stepping.append(done - began)
            looking.append(time.perf_counter() - done)
            if len(stepping) == steps:
                break
        began = time.perf_counter()
    cells = (size[1] // model.factor, size[0] // model.factor)
    shown = (side[1] // model.factor, side[0] // model.factor)
    step = 2 * unet_work(sizes(model.denoiser.network), cells)
    step_s, preview_s = statistics.median(stepping[1:]), statistics.median(looking[1:])
    return {
        "size": size,
        "preview": side,
        "step_s": step_s,
        "preview_s": preview_s,
        "share_of_time": preview_s / step_s,
        "share_of_operations": tiny_decoder_work(sizes(model.networks["preview"]), shown) / step,
        "machine": machine(),
    }


def main() -> None:
    """Measure, keep, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/previews.json"))
    parser.add_argument("--families", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--steps", type=int, default=4)
    asked = parser.parse_args()
    kept: dict[str, Any] = json.loads(asked.out.read_text()) if asked.out.is_file() else {}
    for family in asked.families:
        kept[family] = measured(family, asked.folder, asked.steps)
        print(family, json.dumps(kept[family]))
    asked.out.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
