"""Perturbed attention: an estimate made with part of the network disturbed, to push away from."""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil, exp, inf

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from gesso.denoiser import Call
from gesso.guidance.estimates import Estimates, Rule
from gesso.networks.attention import Attention, Gather, around

__all__ = ["Disturbed", "identity", "pushed", "smoothed", "token_grid"]

Disturb = Callable[[Attention, Tensor, tuple[int, int]], Tensor]
"""(the layer, tokens x [r n d], latent height and width) → what the disturbed rows gather, [r n d]."""


@dataclass(frozen=True)
class Disturbed:
    """A control that disturbs the self-attention of some layers, in the rows that are there for it.

    Args:
        layers: self-attention layers.
    """

    layers: Sequence[Attention]
    disturb: Disturb

    @contextmanager
    def during(self, call: Call) -> Generator[None]:
        """Disturb the rows whose role is "perturbed" while the network is called."""
        rows = [i for i, role in enumerate(call.cond.roles) if role == "perturbed"]
        size = (call.inputs.shape[-2], call.inputs.shape[-1])

        def gather(layer: Attention, before: Gather, x: Tensor, context: Tensor) -> Tensor:
            gathered = before(x, context).clone()
            gathered[rows] = self.disturb(layer, x[rows], size)
            return gathered

        with ExitStack() as stack:
            for layer in self.layers if rows else ():
                stack.enter_context(around(layer, gather))
            yield


def identity(layer: Attention, x: Float[Tensor, "r n d"], _: tuple[int, int]) -> Float[Tensor, "r n d"]:
    """Every token looks at itself alone.

    Source: Ahn et al. 2024, arXiv:2403.17377, eq. 12.
    """
    return layer.to_v(x)


def smoothed(blur: float) -> Disturb:
    """Queries blurred over the picture.

    Args:
        blur: standard deviation in tokens; infinite for the mean of all.

    Source: Hong 2024, arXiv:2408.00760, eq. 11.
    """

    def disturb(layer: Attention, x: Tensor, size: tuple[int, int]) -> Tensor:
        height, width = token_grid(x.shape[1], size)
        query = layer.to_q(x).transpose(1, 2).unflatten(2, (height, width))
        blurred = query.mean((2, 3), keepdim=True).expand_as(query) if blur == inf else gaussian(query, blur)
        q, k, v = (
            layer.split(part) for part in (blurred.flatten(2).transpose(1, 2), layer.to_k(x), layer.to_v(x))
        )
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    return disturb


def pushed(rule: Rule, scale: float) -> Rule:
    """A rule whose result is pushed on, away from the disturbed estimate.

    Source: Ahn et al. 2024, arXiv:2403.17377, eq. 17, added to guidance.
    """

    def found(said: Estimates) -> Float[Tensor, "b c h w"]:
        result = rule(said)
        return result if said.perturbed is None else result + scale * (said.prompt - said.perturbed)

    return found


def token_grid(tokens: int, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a feature map of so many tokens; each level of a UNet halves, rounding up.

    Args:
        size: height and width of the latents.
    """
    height, width = size
    while height * width > tokens:
        height, width = ceil(height / 2), ceil(width / 2)
    return height, width


def gaussian(x: Float[Tensor, "b c h w"], blur: float, reach: int | None = None) -> Float[Tensor, "b c h w"]:
    """A Gaussian blur with mirrored edges.

    Args:
        blur: standard deviation.
        reach: how far to each side, but never farther than the map; three deviations unless given.
    """
    far = ceil(3 * blur) if reach is None else reach
    return _along_rows(_along_rows(x, blur, far).transpose(2, 3), blur, far).transpose(2, 3)


def _along_rows(x: Float[Tensor, "b c h w"], blur: float, far: int) -> Float[Tensor, "b c h w"]:
    reach = min(far, x.shape[3] - 1)
    weights = [exp(-0.5 * (i / blur) ** 2) for i in range(-reach, reach + 1)]
    kernel = torch.tensor(weights, dtype=x.dtype, device=x.device) / sum(weights)
    padded = functional.pad(x, (reach, reach, 0, 0), mode="reflect")
    return functional.conv2d(padded.flatten(0, 1)[:, None], kernel.view(1, 1, 1, -1)).reshape(x.shape)
