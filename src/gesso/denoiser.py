"""The Denoiser: D(x, σ, c), the estimate of clean latents; the one place where prediction types end.

Source: Karras et al. 2022, arXiv:2206.00364, eq. 7:
D(x; σ) = c_skip(σ) x + c_out(σ) F(c_in(σ) x; c_noise(σ)).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.conditioning.conditioning import Conditioning
from gesso.networks.unet import Additions
from gesso.runtime.gpu.graphs import Replayed
from gesso.sampling.levels import NoiseLevels
from gesso.sampling.prediction import Prediction

__all__ = ["Call", "Control", "Denoiser"]


@dataclass(frozen=True)
class Call:
    """One call of the network, as a control sees it.

    Args:
        network: what is called.
        inputs: noisy latents scaled for the network, without concatenated channels, in its type.
        t: the network's time index of each row.
        sigma: standard deviation of the noise in the unscaled latents.
        cond: what each row is told, and in which role.
    """

    network: nn.Module
    inputs: Float[Tensor, "b c h w"]
    t: Float[Tensor, " b"]
    sigma: float
    cond: Conditioning


class Control(Protocol):
    """Something that acts inside the network, call by call: control models, attention techniques."""

    def during(self, call: Call) -> AbstractContextManager[Additions | None]:
        """Act while the block runs, in which the network is called.

        Returns:
            What is added inside the network, None for nothing (at this noise level, or by this kind).
        """
        ...


@dataclass(frozen=True)
class Denoiser:
    """A network, what it predicts, and the noise levels it was trained on.

    Args:
        network: called as network(x [b c h w], t [b], context [b n d], vector [b v] or None).
        prediction: σ → the scalings that turn the network's output into clean latents.
        levels: σ ↔ the network's time index.
        dtype: what the network computes in; latents stay float32 outside it.
        controls: what acts inside the network, in this order.
        replayed: the network, where it can be recorded; called where no control acts.
    """

    network: nn.Module
    prediction: Prediction
    levels: NoiseLevels
    dtype: torch.dtype = torch.float32
    controls: Sequence[Control] = ()
    replayed: Replayed | None = None

    def steady(self) -> AbstractContextManager[None]:
        """While the block runs, nothing but controls changes what the network computes."""
        return nullcontext() if self.replayed is None else self.replayed.steady()

    def __call__(
        self, x: Float[Tensor, "b c h w"], sigma: float, cond: Conditioning
    ) -> Float[Tensor, "b c h w"]:
        """Estimate the clean latents behind noisy ones.

        Args:
            x: clean latents + σ · unit Gaussian noise.
            sigma: standard deviation of the noise in x, > 0.
            cond: one row for every row of x.
        """
        scalings = self.prediction(sigma)
        t = torch.full((x.shape[0],), self.levels.t(sigma), dtype=torch.float32, device=x.device)
        call = Call(self.network, (x * scalings.input).to(self.dtype), t, sigma, cond.to(dtype=self.dtype))
        output = self._called(call)
        return x * scalings.skip + output.to(x.dtype) * scalings.out

    def _called(self, call: Call) -> Float[Tensor, "b o h w"]:
        """The network's answer, with every control at work."""
        cond, inputs = call.cond, call.inputs
        if cond.concat is not None:
            inputs = torch.cat([inputs, cond.concat], dim=1)
        told = (inputs, call.t, cond.context, cond.vector)
        if self.replayed is not None and not self.controls:
            answer = self.replayed(*told)
            assert isinstance(answer, Tensor)
            return answer
        with ExitStack() as stack:
            found = [stack.enter_context(control.during(call)) for control in self.controls]
            additions = [each for each in found if each is not None]
            if not additions:
                return self.network(*told)
            return self.network(*told, sum(additions[1:], start=additions[0]))
