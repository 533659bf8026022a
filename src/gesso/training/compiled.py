"""Training steps compiled for the machine: fused where the eager ones are slow, and the same numbers."""

from collections.abc import Callable
from types import MethodType

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from gesso.networks import autoencoder, unet

__all__ = ["compilable", "compiled", "twice"]


def twice(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
    """Every pixel as a square of four."""
    batch, channels, height, width = x.shape
    last = x.permute(0, 2, 3, 1)[:, :, None, :, None, :].expand(-1, -1, 2, -1, 2, -1)
    return last.reshape(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def compilable(network: nn.Module) -> nn.Module:
    """The same network with what torch.compile gets wrong said in another way.

    Compiled for CPUs in bfloat16, the gradient of nearest interpolation is zero (torch 2.13): every
    enlargement repeats pixels by itself instead. What an autoencoder is shown must halve evenly.
    """
    for module in network.modules():
        if isinstance(module, autoencoder.Upsample):
            module.forward = MethodType(_twice_autoencoder, module)
        elif isinstance(module, unet.Upsample):
            module.forward = MethodType(_twice_unet, module)
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network


def compiled(network: nn.Module) -> Callable[..., Tensor]:
    """The network's call, compiled at its first use, for every size of batch anew.

    Attention is plain products: at the sizes that are compiled here they are faster on the way back than the
    fused kind.
    """
    fast = torch.compile(compilable(network), dynamic=False)

    def called(*told: object) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return fast(*told)

    return called


def _twice_autoencoder(layer: autoencoder.Upsample, x: Tensor) -> Tensor:
    return layer.conv(twice(x))


def _twice_unet(layer: unet.Upsample, x: Tensor, size: tuple[int, ...]) -> Tensor:
    # where a side was odd, nearest interpolation leaves out the last row or column
    return layer.conv(twice(x)[..., : size[0], : size[1]])
