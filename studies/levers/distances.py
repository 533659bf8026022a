"""How far pictures are apart: in decibels, and as a network sees them."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["perceived", "psnr"]


def psnr(one: Float[Tensor, "b 3 h w"], other: Float[Tensor, "b 3 h w"]) -> Float[Tensor, " b"]:
    """Peak signal to noise ratio of each pair, decibels; pictures are within -1…1, 100 for equal ones."""
    error = ((one - other) / 2).square().mean(dim=(1, 2, 3))
    return (-10 * error.clamp(min=1e-10).log10()).clamp(max=100.0)


@torch.inference_mode()
def perceived(
    network: nn.Sequential, one: Float[Tensor, "b 3 h w"], other: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, " b"]:
    """How differently a network's layers see each pair: 0 for equal pictures, at most 2.

    The squared distance of unit feature vectors, averaged over places and over all activations.

    Source: Zhang et al. 2018, arXiv:1801.03924, eq. 1 (LPIPS); here every channel counts alike.
    """
    found: list[Tensor] = []
    for layer in network:
        one, other = layer(one), layer(other)
        if isinstance(layer, nn.ReLU):
            units = (functional.normalize(each, dim=1) for each in (one, other))
            found.append((next(units) - next(units)).square().sum(1).mean(dim=(1, 2)))
    return torch.stack(found).mean(0)
