"""Attention on cards: which of torch's kernels is asked first."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = ["quick_attention"]

FIRST = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]
"""cuDNN's is up to 1.6 times as fast as torch's own on an H200; it knows heads of up to 128 channels."""


def quick_attention(device: torch.device) -> AbstractContextManager[object]:
    """While the block runs, attention is computed by the first of `FIRST` that can."""
    return sdpa_kernel(FIRST, set_priority=True) if device.type == "cuda" else nullcontext()
