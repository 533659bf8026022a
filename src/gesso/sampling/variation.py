"""First noise between seeds, and for another size: pictures that are kin."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["centred", "slerp"]

Latents = Float[Tensor, "b c h w"]

PARALLEL = 0.9995
"""Directions closer than this are mixed straight: the angle between them is lost in rounding."""


def slerp(one: Latents, other: Latents, share: float) -> Latents:
    """Noise on the arc from one to another, which keeps its length on the way.

    Args:
        share: 0 gives the one, 1 the other, both to the bit.

    Source: Shoemake 1985, "Animating rotation with quaternion curves", section 3.3.
    """
    if share in {0.0, 1.0}:
        return other if share else one
    axes = (1, 2, 3)
    wide, far = one.double(), other.double()
    lengths = (wide.square().sum(axes, keepdim=True) * far.square().sum(axes, keepdim=True)).sqrt()
    cosine = (wide * far).sum(axes, keepdim=True) / lengths
    angle = torch.arccos(cosine.clamp(-1.0, 1.0))
    bent = (torch.sin((1.0 - share) * angle) * wide + torch.sin(share * angle) * far) / torch.sin(angle)
    return torch.where(cosine > PARALLEL, wide + share * (far - wide), bent).to(one.dtype)


def centred(inner: Float[Tensor, "b c h w"], outer: Float[Tensor, "b c H W"]) -> Float[Tensor, "b c H W"]:
    """One noise in the middle of another; what does not fit is cut off on both sides alike.

    Source: AUTOMATIC1111/stable-diffusion-webui, "resize seed from".
    """
    found = outer.clone()
    here, there = [], []
    for small, large in zip(inner.shape[2:], outer.shape[2:], strict=True):
        length, offset = min(small, large), (large - small) // 2
        here.append(slice(max(0, offset), max(0, offset) + length))
        there.append(slice(max(0, -offset), max(0, -offset) + length))
    found[..., here[0], here[1]] = inner[..., there[0], there[1]]
    return found
