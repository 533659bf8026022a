"""First weights for a network that is trained from nothing."""

import math

import torch
from torch import Tensor, nn

from gesso.networks.attention import SpatialTransformer
from gesso.networks.unet import ResBlock, UNet

__all__ = ["initialise"]

EMBEDDING_STD = 0.02
LOGIT_SCALE = math.log(1 / 0.07)


def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Fill every weight of a network in place.

    Weights are normal with variance 1 / inputs, biases 0, norms the identity, embeddings small. What a UNet
    adds to its input, and what it says in the end, starts at zero: the untrained network changes nothing.

    Args:
        network: any of this package, its tensors already on a real device.
        generator: decides every number; the same seed gives the same weights.

    Source: He et al. 2015, "Delving Deep into Rectifiers", section 2.2; zeros as in the code of Ho et al.
    2020; embeddings and logit scale as in Radford et al. 2021, section 2.5 and its code.
    """
    with torch.no_grad():
        for module in network.modules():
            for name, weight in module.named_parameters(recurse=False):
                fill(module, name, weight, generator)
        for module in network.modules():
            silence(module)


def fill(module: nn.Module, name: str, weight: Tensor, generator: torch.Generator) -> None:
    """Draw one tensor by the kind of layer it belongs to."""
    if name == "logit_scale":
        weight.fill_(LOGIT_SCALE)
    elif isinstance(module, nn.GroupNorm | nn.LayerNorm):
        weight.fill_(1.0 if name == "weight" else 0.0)
    elif weight.ndim < 2:
        weight.zero_()
    elif isinstance(module, nn.Embedding) or name == "positional_embedding":
        weight.normal_(0.0, EMBEDDING_STD, generator=generator)
    else:
        inputs = weight.shape[0] if name == "text_projection" else weight[0].numel()
        weight.normal_(0.0, inputs**-0.5, generator=generator)


def silence(module: nn.Module) -> None:
    """Zero the last layer of what a UNet adds up."""
    if isinstance(module, ResBlock):
        last = module.out_layers[-1]
    elif isinstance(module, SpatialTransformer):
        last = module.proj_out
    elif isinstance(module, UNet):
        last = module.out[-1]
    else:
        return
    for weight in last.parameters():
        weight.zero_()
