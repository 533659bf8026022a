"""A picture of 4096x4096 decoded under a memory ceiling, and how far bands are from the whole.

    nice python -m benchmarks.large_decode --out benchmarks/large_decode.json

Decodes random latents with an autoencoder as wide as the built-in checkpoint's and one as wide as every
published file's, both with random weights, each in a fresh process that may hold `--memory` in all: torch,
weights, latents and pixels included. The numbers are those that this machine is fast at. The difference to
the whole is measured where the whole fits. Exits with 1 when a process held more than it may.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.parity_cases import weight
from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.shapes import Shapes
from gesso.families.autoencoder_plan import AutoencoderPlan, autoencoder_shapes
from gesso.model import builtin
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.banded import banded_decode, decode_plan, whole_decode
from gesso.runtime.device import choose_dtype
from gesso.runtime.memory import resident

GIB = 2**30
SCARCE = 4
LEVELS = 127.5
"""Pixels are -1 to 1: a difference of 1 is so many of 255 levels."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=4096, help="side of the large picture, pixels")
    parser.add_argument(
        "--beside", type=int, default=768, help="side of the picture that is compared, pixels"
    )
    parser.add_argument("--memory", type=float, default=6.0, help="what a process may hold, GiB")
    parser.add_argument(
        "--widths", nargs="+", choices=("built-in", "published"), default=("built-in", "published")
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked.one, asked.size, asked.beside, asked.memory)))
        return
    found = [fresh(width, asked) for width in asked.widths]
    record = {"machine": machine(), "size": asked.size, "memory_gib": asked.memory, "decoders": found}
    print(json.dumps(record, indent=2))
    if asked.out:
        asked.out.write_text(json.dumps(record, indent=2) + "\n")
    sys.exit(0 if all(each["peak_gib"] <= asked.memory for each in found) else 1)


def fresh(width: str, asked: argparse.Namespace) -> dict[str, Any]:
    """The figures of one width, from a process of its own."""
    told = ("--size", str(asked.size), "--beside", str(asked.beside), "--memory", str(asked.memory))
    command = (sys.executable, "-m", "benchmarks.large_decode", "--one", width, *told)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


@torch.inference_mode()
def measured(width: str, size: int, beside: int, memory: float) -> dict[str, Any]:
    """The figures of one width, in this process."""
    dtype = choose_dtype("auto", torch.device("cpu"))
    network = filled(width, dtype)
    latents = drawn(size // network.factor, dtype)
    room = int(memory * GIB) - (resident() or 0)
    plan = decode_plan(network, latents, room)
    began = time.perf_counter()
    pixels = banded_decode(network, latents, room)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    return {
        "width": width,
        "dtype": str(dtype).removeprefix("torch."),
        "pixels": list(pixels.shape),
        "finite": bool(torch.isfinite(pixels).all()),
        "seconds": round(seconds, 1),
        "peak_gib": round(peak, 3),
        "whole_would_take_gib": round(whole_decode(network, latents) / GIB, 1),
        "runs_of_each_layer": max(plan.runs),
        "levels_of_255_from_the_whole": differences(network, beside),
    }


def filled(width: str, dtype: torch.dtype) -> Autoencoder:
    """An autoencoder with random weights that depend on their names alone."""
    shapes = Shapes(autoencoder_shapes(AutoencoderPlan()))
    if width == "built-in":
        shapes = Checkpoint.open(builtin()).shapes.under("first_stage_model.")
    with torch.device("meta"):
        network = Autoencoder(shapes)
    weights = {name: laid_out(weight(name, shape).to(dtype)) for name, shape in shapes.items()}
    network.load_state_dict(weights, assign=True)
    return network.eval()


def laid_out(tensor: Tensor) -> Tensor:
    """Kernels lie as they do when gesso loads a file."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def drawn(side: int, dtype: torch.dtype) -> Tensor:
    """Latents of unit noise, which is about how large an autoencoder's are."""
    generator = torch.Generator().manual_seed(side)
    return torch.randn((1, 4, side, side), generator=generator).to(dtype)


def differences(network: Autoencoder, beside: int) -> dict[str, float]:
    """The largest difference between bands and the whole, in float32 and in the type that was measured.

    Bands are given a quarter of what the whole takes.
    """
    own = next(network.parameters()).dtype
    found: dict[str, float] = {}
    for dtype in dict.fromkeys((torch.float32, own)):
        latents = drawn(beside // network.factor, dtype)
        network = network.to(dtype)
        whole = network.decode(latents)
        banded = banded_decode(network, latents, whole_decode(network, latents) // SCARCE)
        found[str(dtype).removeprefix("torch.")] = round(float((whole - banded).abs().max()) * LEVELS, 5)
    return found


def machine() -> dict[str, Any]:
    """What it ran on."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.split(":")[1].strip() for line in text.splitlines() if "model name" in line), "")
    flags = [flag for flag in ("amx_bf16", "avx512f", "avx2") if flag in text]
    return {
        "processor": model or platform.processor(),
        "flags": flags,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB, 1),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    main()
