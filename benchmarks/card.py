"""What a graphics card does with SDXL in one process: pictures in few steps, and a LoRA's training.

    python -m benchmarks.card --folder /dev/shm --out benchmarks/card.json

Everything is measured after it was done twice, so that kernels are compiled and calls recorded. The built-in
checkpoint is painted too, on the card and on the processor in float32, and the pictures are compared. A step
of the network is told by kinds of kernels, and for more rows at once; products in 8 bits are beside those in
16. The large file has random weights, which changes nothing of the cost. What programs cost beside one
another is `benchmarks.peers`, ceilings of memory are `benchmarks.small`, both with `--device cuda`.
"""

import argparse
import json
import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import linear
from torch.profiler import ProfilerActivity, profile

import gesso
from benchmarks.calls import inputs
from benchmarks.random_checkpoint import PLANS, write
from gesso.bench.ceilings import ceilings
from gesso.runtime.gpu.graphs import Replayed
from gesso.runtime.machine import machine
from gesso.training.job import Job
from gesso.training.loop import Progress
from gesso.training.recipe import Training
from gesso.training.setup import opened

SIDE = 1024
PICTURES: dict[str, dict[str, Any]] = {
    "20 steps with guidance": {"steps": 20, "cfg": 7.0},
    "4 steps without": {"steps": 4, "cfg": 1.0},
}
DTYPES = ("float16", "bfloat16")
KINDS = {
    "attention": ("sdpa", "fmha", "flash", "attended"),
    "convolutions": ("fprop", "convolve", "PaddingKernel"),
    "linear layers": ("nvjet", "gemm", "cublas", "splitK"),
    "norms": ("shares", "combined", "normalised"),
    "gates": ("gated",),
}
"""What the names of a kind's kernels have in them."""


def pictures(file: Path, dtype: str, count: int) -> dict[str, Any]:
    """Seconds of whole pictures, words read anew for each, and how many operations a second that is."""
    model = gesso.load(file, device="cuda", dtype=dtype)
    found: dict[str, Any] = {}
    for name, more in PICTURES.items():
        asked = {"prompt": "a cat", "size": (SIDE, SIDE), "sampler": "euler", "schedule": "normal", "seed": 0}
        request, seconds, tflop = gesso.Request.model_validate({**asked, **more}), [], 0.0
        for _ in range(count + 2):
            torch.cuda.synchronize()
            began = time.perf_counter()
            cost = gesso.paint(model, request).cost
            tflop = cost.tflop if cost else 0.0
            seconds.append(time.perf_counter() - began)
        middle = statistics.median(seconds[2:])
        found[name] = {
            "s": round(middle, 4),
            "apart_s": round(max(seconds[2:]) - min(seconds[2:]), 4),
            "tflops": round(tflop / middle, 1),
        }
    return found


def training(file: Path, folder: Path, batch: int, steps: int) -> dict[str, Any]:
    """Pictures a second of a LoRA's training, latents and words encoded before."""
    home = folder / "card-pictures"
    home.mkdir(exist_ok=True)
    for i in range(batch):
        numbers = np.random.default_rng(i).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(numbers).resize((SIDE, SIDE)).save(home / f"{i}.png")
        (home / f"{i}.txt").write_text("a thing")
    out = folder / "card-lora"
    shutil.rmtree(out, ignore_errors=True)
    recipe: dict[str, Any] = {
        "model": file,
        "out": out,
        "cache": folder / "card-cache",
        "size": (SIDE, SIDE),
        "dtype": "bfloat16",
        "device": "cuda",
        "batch": batch,
        "data": [{"folder": home}],
        "subject": {"kind": "lora", "rank": 8},
        "run": {"steps": steps, "warmup": 0, "average": 0.0, "report_every": 1},
    }
    torch.cuda.reset_peak_memory_stats()
    job = Job(opened(Training.model_validate(recipe)))
    for _ in job.look():
        pass
    seconds: list[float] = []
    for event in job.carried_out():
        if isinstance(event, Progress):
            seconds.append(event.seconds)
        # what comes after the last step is the saving
        if len(seconds) == steps:
            break
    middle = statistics.median(seconds[2:])
    peak = torch.cuda.max_memory_reserved() / 1e9
    return {
        "batch": batch,
        "step_s": round(middle, 3),
        "pictures_per_s": round(batch / middle, 2),
        "peak_gb": round(peak, 1),
    }


@torch.inference_mode()
def step(file: Path) -> dict[str, Any]:
    """A guided step of the network alone: where its time goes, and what more rows at once take."""
    model = gesso.load(file, device="cuda", dtype="bfloat16")
    assert model.twins is not None
    network = model.denoiser.network
    told = [each.cuda() for each in inputs(model, SIDE)]
    found: dict[str, Any] = {"rows": {}}
    with model.twins.acting([network]):
        for times in (1, 4, 8):
            many = [torch.cat([each] * times) for each in told]
            replayed = Replayed(network)
            with replayed.steady():
                found["rows"][2 * times] = round(1000 * fastest(partial(replayed, *many)), 2)
        with profile(activities=[ProfilerActivity.CUDA]) as seen:
            network(*told)
            torch.cuda.synchronize()
    spent: Counter[str] = Counter()
    for event in seen.key_averages():
        kind = next(
            (kind for kind, signs in KINDS.items() if any(each in event.key for each in signs)), "other"
        )
        spent[kind] += event.self_device_time_total / 1000
    return {**found, "ms": {kind: round(ms, 2) for kind, ms in spent.most_common()}}


@torch.inference_mode()
def products() -> list[dict[str, Any]]:
    """Products of SDXL's linear layers in 16 bits and in 8 (e4m3), microseconds."""
    # not in torch's type annotations
    known: Any = torch
    found: list[dict[str, Any]] = []
    for rows, inner, outer in (
        (2048, 1280, 1280),
        (2048, 1280, 3840),
        (2048, 1280, 10240),
        (2048, 5120, 1280),
    ):
        x = torch.randn(rows, inner, device="cuda", dtype=torch.bfloat16)
        weight = torch.randn(outer, inner, device="cuda", dtype=torch.bfloat16)
        few = (x.to(torch.float8_e4m3fn), weight.to(torch.float8_e4m3fn).t())
        scales = (torch.ones(rows, 1, device="cuda"), torch.ones(1, outer, device="cuda"))
        eight = partial(
            known._scaled_mm,
            *few,
            scale_a=scales[0],
            scale_b=scales[1],
            out_dtype=x.dtype,
            use_fast_accum=True,
        )
        calls = {"bfloat16": partial(linear, x, weight), "float8": eight}
        found.append(
            {
                "shape": [rows, inner, outer],
                **{name: round(1e6 * fastest(each), 1) for name, each in calls.items()},
            }
        )
    return found


def fastest(call: Callable[[], object], count: int = 30) -> float:
    """Seconds of a call on the card, of many one after another."""
    for _ in range(3):
        call()
    began, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    began.record()
    for _ in range(count):
        call()
    ended.record()
    torch.cuda.synchronize()
    return began.elapsed_time(ended) / count / 1000


def agreement() -> dict[str, float]:
    """How far the built-in checkpoint's picture on the card is from the processor's in float32, of 255."""
    request = gesso.Request(prompt="a red cat on a chair", seed=1, steps=12)

    def painted(device: str, dtype: str) -> np.ndarray:
        return np.asarray(gesso.paint(gesso.load(device=device, dtype=dtype), request).images[0]).astype(int)

    exact = painted("cpu", "float32")
    kinds = ("float32", *DTYPES)
    return {dtype: int(abs(painted("cuda", dtype) - exact).max()) for dtype in kinds}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/card.json"))
    parser.add_argument("--count", type=int, default=7, help="pictures, two more are not counted")
    parser.add_argument("--batches", type=int, nargs="*", default=[8, 16])
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    file = asked.folder / "sdxl-base.safetensors"
    if not file.exists():
        write(PLANS["sdxl-base"], file, "float16")
    record: dict[str, Any] = {"machine": machine(), "ceilings": ceilings("bfloat16", "cuda")}
    record["agreement"] = agreement()
    for dtype in DTYPES:
        record[dtype] = pictures(file, dtype, asked.count)
        print(dtype, record[dtype], file=sys.stderr, flush=True)
    record["step"] = step(file)
    record["products"] = products()
    torch.cuda.empty_cache()
    record["lora"] = [training(file, asked.folder, batch, 8) for batch in asked.batches]
    asked.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
