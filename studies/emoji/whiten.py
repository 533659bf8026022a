"""Latents of mean 0 and variance 1 in every channel, no two channels alike: what a diffusion model likes.

The change is linear, so it goes into the two 1 x 1 convolutions around the latents and costs nothing; the
file's latent scale is then 1.
"""

from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.networks.autoencoder import Autoencoder

LOGVAR = -6.0  # of the encoder's answer; the autoencoder was trained without noise


@torch.no_grad()
def whiten(network: Autoencoder, pixels: Float[Tensor, "b 3 h w"]) -> None:
    """Change an autoencoder's latents in place, by what they are for these pictures.

    Source: the inverse square root of the covariance, "ZCA": Bell & Sejnowski 1997.
    """
    inside, outside = cast(nn.Conv2d, network.quant_conv), cast(nn.Conv2d, network.post_quant_conv)
    means = network.encode(pixels).mean.float()
    channels = means.shape[1]
    values = means.transpose(0, 1).flatten(1).double()
    middle = values.mean(dim=1)
    spread, axes = torch.linalg.eigh(torch.cov(values))
    narrow = (axes * spread.rsqrt()) @ axes.T
    widen = (axes * spread.sqrt()) @ axes.T
    kernel, bias = inside.weight[:channels, :, 0, 0].double(), inside.bias
    assert bias is not None
    assert outside.bias is not None
    inside.weight[:channels, :, 0, 0] = (narrow @ kernel).float()
    bias[:channels] = (narrow @ (bias[:channels].double() - middle)).float()
    inside.weight[channels:] = 0
    bias[channels:] = LOGVAR
    back = outside.weight[:, :, 0, 0].double()
    outside.bias += (back @ middle).float()
    outside.weight[:, :, 0, 0] = (back @ widen).float()
