"""Tiny random checkpoints of every family: real layouts, a few megabytes, finite pictures."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from gesso.families.blueprint import CheckpointPlan, checkpoint_shapes
from tests.headers import (
    SD1,
    SD1_INPAINTING,
    SD1_INSTRUCT,
    SD2,
    SD2_DEPTH,
    SD2_UNCLIP_H,
    SDXL,
    SDXL_REFINER,
    tiny,
    with_inputs,
)

PLANS: Mapping[str, CheckpointPlan] = {
    "sd1": tiny(SD1),
    "sd1-inpainting": tiny(SD1_INPAINTING),
    "sd1-instruct": tiny(SD1_INSTRUCT),
    "sd2": tiny(SD2),
    "sd2-inpainting": tiny(with_inputs(SD2, 9)),
    "sd2-depth": tiny(SD2_DEPTH),
    "sd2-unclip": tiny(SD2_UNCLIP_H),
    "sdxl": tiny(SDXL),
    "sdxl-inpainting": tiny(with_inputs(SDXL, 9)),
    "sdxl-instruct": tiny(with_inputs(SDXL, 8)),
    "sdxl-refiner": tiny(SDXL_REFINER),
}
DEFAULTS = '{"size": [64, 64], "steps": 3, "sampler": "euler", "schedule": "normal", "cfg": 2.0}'


def random_weights(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    """Weights scaled by fan-in, so that activations stay finite at any width."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _tensor(name, shape, generator) for name, shape in shapes.items()}


def _tensor(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if name == "alphas_cumprod":
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        return torch.cumprod(1 - betas, 0).float()
    noise = torch.randn(shape, generator=generator)
    if len(shape) < 2:
        return noise * 0.02 + (1.0 if name.endswith("weight") else 0.0)
    return noise * (0.02 if "embedding" in name else 0.7 / math.sqrt(math.prod(shape[1:])))


def save_model(path: Path, family: str, *, seed: int = 0, metadata: Mapping[str, str] | None = None) -> Path:
    """A tiny checkpoint file of a family, with defaults that make its pictures small and quick."""
    tensors = random_weights(checkpoint_shapes(PLANS[family]), seed)
    save_file(tensors, path, {"format": "pt", "gesso.defaults": DEFAULTS, **(metadata or {})})
    return path
