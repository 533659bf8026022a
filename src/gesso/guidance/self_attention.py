"""Self-attention guidance: away from an estimate blurred where the network itself looks most."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from gesso.conditioning.conditioning import Conditioning
from gesso.denoiser import Call
from gesso.guidance.estimates import Estimates, Estimator, Rule
from gesso.guidance.perturbed import gaussian, token_grid
from gesso.networks.attention import Attention, Gather, around

__all__ = ["Watched", "sharpened"]

LOOKED_AT = 1.0
"""A token that gathers more attention than this, of a mean of 1, is blurred."""
BLUR = 1.0
"""Standard deviation in latent cells."""
REACH = 4
"""Latent cells that the blur reaches to each side: a kernel of 9, as in the authors' code and diffusers."""


@dataclass
class Watched:
    """A control that remembers where one self-attention layer looks, for the last row of each call.

    Args:
        seen: how much attention each token got, on average over heads; 1 is the mean.
        paused: not to watch, during the call on the blurred latents.
    """

    layer: Attention
    seen: Float[Tensor, "h w"] | None = None
    paused: bool = field(default=False, repr=False)

    @contextmanager
    def during(self, call: Call) -> Generator[None]:
        """Watch while the network is called."""
        if self.paused:
            yield
            return
        size = (call.inputs.shape[-2], call.inputs.shape[-1])
        row = max(i for i, role in enumerate(call.cond.roles) if role in {"prompt", "negative"})

        def gather(layer: Attention, before: Gather, x: Tensor, context: Tensor) -> Tensor:
            q, k = layer.split(layer.to_q(x[row : row + 1])), layer.split(layer.to_k(context[row : row + 1]))
            shares = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).float().softmax(-1)
            self.seen = shares.mean(1).sum(1)[0].unflatten(0, token_grid(x.shape[1], size))
            return before(x, context)

        with around(self.layer, gather):
            yield


def sharpened(rule: Rule, scale: float, estimator: Estimator, told: Conditioning, watched: Watched) -> Rule:
    """A rule whose result moves away from what the network says of a picture blurred where it looks most.

    Args:
        told: what the network is told for that: the negative, or the prompt without guidance.
        watched: on the same denoiser.

    Source: Hong et al. 2023, arXiv:2210.00939, algorithm 1, in terms of clean estimates.
    """

    def found(said: Estimates) -> Float[Tensor, "b c h w"]:
        result = rule(said)
        assert watched.seen is not None, "the layer is watched in the call before"
        looked = (watched.seen > LOOKED_AT).float()[None, None].to(said.x.device)
        where = functional.interpolate(looked, said.x.shape[-2:], mode="nearest")
        blurred = torch.where(where > 0, gaussian(said.negative, BLUR, REACH), said.negative)
        watched.paused = True
        again = estimator(blurred + (said.x - said.negative), said.sigma, told)
        watched.paused = False
        return result + scale * (blurred - again)

    return found
