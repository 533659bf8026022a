"""Holes: what an inpainting model learns to fill, and models that learn to be one.

Source: runwayml/stable-diffusion, README, "Inpainting": five more input channels begun with zeros, for the
mask and the latents of the masked picture; synthetic masks, in a quarter of cases of everything.
"""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.generation.latents import Scene, kept
from gesso.model import Model

__all__ = ["beside", "drawn", "fills", "widen"]

WHOLE = 0.25
MOST = 4


def fills(model: Model) -> bool:
    """Whether the UNet is shown a mask and what is kept, beside the noisy latents."""
    channels = model.identity.latent_channels
    return _entrance(model).in_channels == 2 * channels + 1


def widen(model: Model) -> None:
    """Make room for a mask and what is kept; the network gives at first what it gave before."""
    entrance, channels = _entrance(model), model.identity.latent_channels
    more = torch.zeros_like(entrance.weight[:, :1]).repeat(1, channels + 1, 1, 1)
    entrance.weight = nn.Parameter(torch.cat([entrance.weight, more], dim=1), requires_grad=False)
    entrance.in_channels += channels + 1


def drawn(pixels: Float[Tensor, "b 3 H W"], generator: torch.Generator) -> Float[Tensor, "b 1 H W"]:
    """A hole for every picture, 1 where it is to be filled: a few rectangles, or all of it."""
    count, _, height, width = pixels.shape
    holes = torch.zeros(count, 1, height, width)
    for hole in holes:
        for _ in range(1 + int(torch.randint(MOST, (), generator=generator))):
            left, right = sorted(torch.randint(width + 1, (2,), generator=generator).tolist())
            top, bottom = sorted(torch.randint(height + 1, (2,), generator=generator).tolist())
            hole[:, top : bottom + 1, left : right + 1] = 1
        if float(torch.rand((), generator=generator)) < WHOLE:
            hole.fill_(1)
    return holes.to(pixels)


@torch.no_grad()
def beside(
    model: Model, pixels: Float[Tensor, "b 3 H W"], holes: Float[Tensor, "b 1 H W"]
) -> Float[Tensor, "b c h w"]:
    """What the network is shown beside the noisy latents, as in painting."""
    cells = (pixels.shape[2] // model.factor, pixels.shape[3] // model.factor)
    rows = zip(pixels.split(1), holes.split(1), strict=True)
    return torch.cat([kept(model, Scene(cells, picture, hole)) for picture, hole in rows])


def _entrance(model: Model) -> nn.Conv2d:
    return cast(nn.Conv2d, model.networks["unet"].get_submodule("input_blocks.0.0"))
