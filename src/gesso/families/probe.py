"""The behaviour probe: what a network predicts, asked of the network itself."""

import torch
from torch import nn

from gesso.checkpoint.shapes import Shapes
from gesso.families.signs import UNET

__all__ = ["probe_prediction"]

LAST = 999.0
"""The trained time index with the most noise."""


def probe_prediction(
    unet: nn.Module, shapes: Shapes, device: torch.device, dtype: torch.dtype
) -> tuple[str, float]:
    """Show the network pure noise at the last time index and see whether it gives the noise back.

    There an input is nearly all noise, so a network that predicts epsilon answers with nearly its input.
    One that predicts v answers with nearly the negated picture it imagines, which the input hardly shows.

    Returns:
        "epsilon" or "v", and the correlation of answer and input, -1…1.

    Source: asking the network is AUTOMATIC1111's idea (a forward call at t = 999 for SD 2.x files); the
    correlation follows from Salimans & Ho 2022, arXiv:2202.00512, section 4: v = α ε - σ x0, α ≈ 0.07.
    """
    first = shapes[f"{UNET}input_blocks.0.0.weight"]
    context = next(shape for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight"))[-1]
    label = shapes.get(f"{UNET}label_emb.0.0.weight")
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, first[1], 16, 16), generator=generator).to(device, dtype)
    vector = None if label is None else torch.zeros((1, label[1]), device=device, dtype=dtype)
    t = torch.full((1,), LAST, device=device)
    with torch.inference_mode():
        neutral = torch.zeros((1, 2, context), device=device, dtype=dtype)
        answer = unet(noise, t, neutral, vector).float()
    pair = torch.stack([answer.flatten(), noise[:, : answer.shape[1]].float().flatten()])
    correlation = float(torch.corrcoef(pair)[0, 1]) if answer.std() > 0 else 0.0
    return ("epsilon" if correlation > 0.5 else "v"), correlation
