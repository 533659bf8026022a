"""FreeU: more of what the network makes of the picture, less of what it only passes on."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.denoiser import Call
from gesso.networks.unet import ResBlock, UNet

__all__ = ["FreeU"]


@dataclass(frozen=True)
class FreeU:
    """A control that weighs the two inputs of every output block of the two widest sizes.

    Args:
        backbone: factors of what comes from below, at the widest and the second widest.
        skip: factors of the low frequencies of what comes from the side, likewise.
        version: 1 multiplies evenly; 2 by how active each place is.

    Source: Si et al. 2023, arXiv:2309.11497, eqs. 4 and 5; version 2 as in the authors' code.
    """

    backbone: tuple[float, float]
    skip: tuple[float, float]
    version: Literal[1, 2] = 2

    @contextmanager
    def during(self, call: Call) -> Generator[None]:
        """Weigh while the network is called."""
        network = call.network
        assert isinstance(network, UNet)
        widths: list[int] = []

        def left(_: nn.Module, __: tuple[Any, ...], output: Tensor) -> None:
            widths.append(output.shape[1])

        def weighed(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
            return (self._weighed(given[0], widths[-1], network), *given[1:])

        with ExitStack() as stack:
            for block in (network.middle_block, *network.output_blocks):
                stack.callback(block.register_forward_hook(left).remove)
            for block in network.output_blocks:
                stack.callback(block.register_forward_pre_hook(weighed).remove)
            yield

    def _weighed(self, both: Float[Tensor, "b c h w"], width: int, network: UNet) -> Float[Tensor, "b c h w"]:
        """What an output block is given: `width` channels from below, the others from the side."""
        stage = _stage(network, width)
        if stage is None:
            return both
        below, aside = both[:, :width], both[:, width:]
        half = width // 2
        raised = torch.cat([below[:, :half] * self._factor(below, stage), below[:, half:]], dim=1)
        return torch.cat([raised, lowered(aside, self.skip[stage])], dim=1)

    def _factor(self, below: Float[Tensor, "b c h w"], stage: int) -> Float[Tensor, "b 1 h w"] | float:
        amount = self.backbone[stage]
        if self.version == 1:
            return amount
        mean = below.mean(1, keepdim=True)
        low, high = (edge(mean, dim=(2, 3), keepdim=True) for edge in (torch.amin, torch.amax))
        # where every place is as active as the others, none is raised
        return (amount - 1.0) * (mean - low) / (high - low).clamp(min=torch.finfo(mean.dtype).tiny) + 1.0


def _stage(network: UNet, width: int) -> int | None:
    """0 for the widest feature maps, 1 for the second widest."""
    first = (block[0] for block in network.output_blocks if isinstance(block, nn.ModuleList))
    last = (part.out_layers[-1] for part in first if isinstance(part, ResBlock))
    widths = {layer.out_channels for layer in last if isinstance(layer, nn.Conv2d)}
    widest = sorted(widths, reverse=True)[:2]
    return widest.index(width) if width in widest else None


def lowered(x: Float[Tensor, "b c h w"], factor: float) -> Float[Tensor, "b c h w"]:
    """The same with its lowest frequencies multiplied."""
    waves = torch.fft.fft2(x.float())
    height, width = x.shape[-2:]
    # the lowest frequency and its neighbours below: a window of 2 x 2 at a shifted spectrum's middle
    for row in {0, height - 1}:
        for column in {0, width - 1}:
            waves[..., row, column] = waves[..., row, column] * factor
    return torch.fft.ifft2(waves).real.to(x.dtype)
