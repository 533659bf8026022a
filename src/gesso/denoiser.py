"""The Denoiser: D(x, σ, c), the estimate of clean latents; the one place where prediction types end.

Source: Karras et al. 2022, arXiv:2206.00364, eq. 7:
D(x; σ) = c_skip(σ) x + c_out(σ) F(c_in(σ) x; c_noise(σ)).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.conditioning.conditioning import Conditioning
from gesso.sampling.levels import NoiseLevels
from gesso.sampling.prediction import Prediction

__all__ = ["Denoiser"]


@dataclass(frozen=True)
class Denoiser:
    """A network, what it predicts, and the noise levels it was trained on.

    Args:
        network: called as network(x [b c h w], t [b], context [b n d], vector [b v] or None).
        prediction: σ → the scalings that turn the network's output into clean latents.
        levels: σ ↔ the network's time index.
        dtype: what the network computes in; latents stay float32 outside it.
    """

    network: nn.Module
    prediction: Prediction
    levels: NoiseLevels
    dtype: torch.dtype = torch.float32

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
        inputs = x * scalings.input
        if cond.concat is not None:
            inputs = torch.cat([inputs, cond.concat], dim=1)
        t = torch.full((x.shape[0],), self.levels.t(sigma), dtype=torch.float32, device=x.device)
        vector = None if cond.vector is None else cond.vector.to(self.dtype)
        output = self.network(inputs.to(self.dtype), t, cond.context.to(self.dtype), vector)
        return x * scalings.skip + output.to(x.dtype) * scalings.out
