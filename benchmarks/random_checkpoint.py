"""Write a full-size checkpoint with a published layout and random weights.

    python -m benchmarks.random_checkpoint sdxl-base sdxl-base.safetensors --dtype float16

Weights are scaled by their inputs, so that what passes through the networks stays finite, and depend on
their names alone; the noise schedule is the real one.
"""

import argparse
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.parity_cases import weight
from gesso.families.blueprint import (
    SCHEDULE,
    SD1,
    SD1_INPAINTING,
    SD2,
    SDXL,
    SDXL_REFINER,
    SSD_1B,
    VEGA,
    CheckpointPlan,
    checkpoint_shapes,
)

__all__ = ["DTYPES", "PLANS", "write"]

PLANS: dict[str, CheckpointPlan] = {
    "sd-v1": SD1,
    "sd-v1-inpainting": SD1_INPAINTING,
    "sd-v2": SD2,
    "sdxl-base": SDXL,
    "sdxl-refiner": SDXL_REFINER,
    "ssd-1b": SSD_1B,
    "vega": VEGA,
}
DTYPES = {
    "float16": ("F16", torch.float16),
    "bfloat16": ("BF16", torch.bfloat16),
    "float32": ("F32", torch.float32),
}
# readers must not need the other tables, which follow from these two
KEPT = {"betas", "alphas_cumprod"}


def betas() -> Tensor:
    """The noise added at each of 1000 steps, in float64.

    Source: the `scaled_linear` schedule of the published v1 files, 0.00085 to 0.012.
    """
    return torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2


def value(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """One tensor of the file."""
    if name == "betas":
        return betas().float()
    if name == "alphas_cumprod":
        return torch.cumprod(1 - betas(), 0).float()
    if name.endswith("position_ids"):
        return torch.arange(shape[-1]).reshape(shape)
    return weight(name, shape).to(dtype)


def header(shapes: dict[str, tuple[int, ...]], code: str, width: int) -> bytes:
    """The safetensors header: where each tensor lies."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, shape in shapes.items():
        kind, bytes_each = (
            ("F32", 4) if name in KEPT else ("I64", 8) if "position_ids" in name else (code, width)
        )
        size = math.prod(shape) * bytes_each
        entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def write(
    plan: CheckpointPlan, path: Path, dtype: str, *, told: Callable[[str], None] = lambda _: None
) -> None:
    """Write the file, one tensor in memory at a time.

    Args:
        plan: how the checkpoint is built.
        path: where to; appears under this name only when complete.
        dtype: of the weights, a key of DTYPES.
        told: is called with every name that has been written.
    """
    code, kind = DTYPES[dtype]
    shapes = {
        name: shape for name, shape in checkpoint_shapes(plan).items() if name not in SCHEDULE or name in KEPT
    }
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(header(shapes, code, kind.itemsize))
        for name, shape in shapes.items():
            file.write(value(name, shape, kind).contiguous().view(-1).view(torch.uint8).numpy().tobytes())
            told(name)
    unfinished.replace(path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("family", choices=PLANS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dtype", choices=DTYPES, default="float16")
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write(PLANS[arguments.family], arguments.out, arguments.dtype)
    print(arguments.out, arguments.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
