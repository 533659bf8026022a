"""What a network is called with where its steps are measured."""

import torch
from torch import Tensor

from gesso.model import Model

__all__ = ["SIZES", "inputs"]

SIZES = {"sd-v1": 512, "sdxl-base": 1024}
"""Side of the pictures, by family."""


def inputs(model: Model, size: int) -> tuple[Tensor, ...]:
    """What a UNet is told in a step with guidance."""
    shapes, side = model.identity.checkpoint.shapes, size // model.factor
    width = next(shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight"))
    vector = next((shape[1] for name, shape in shapes.items() if name.endswith("label_emb.0.0.weight")), None)
    x = torch.randn(2, 4, side, side).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    told = (x, torch.tensor([500.0, 500.0]), torch.randn(2, 77, width).to(torch.bfloat16))
    return told if vector is None else (*told, torch.randn(2, vector).to(torch.bfloat16))
