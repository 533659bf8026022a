"""What a diffusion network is trained for: its loss on clean latents, noise and times."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Noised", "Objective"]

Predict = Callable[[Float[Tensor, "b c h w"], Float[Tensor, " b"]], Float[Tensor, "b c h w"]]


@dataclass(frozen=True)
class Noised:
    """Clean latents, the noise put on them, and when.

    Args:
        t: network time of each, whole numbers.
    """

    latents: Float[Tensor, "b c h w"]
    noise: Float[Tensor, "b c h w"]
    t: Int[Tensor, " b"]


@dataclass(frozen=True)
class Objective:
    """The mean squared error of a prediction, weighted by time.

    Args:
        alphas_cumprod: share of the picture's variance left at each time, falling.
        prediction: what the network names, noise or velocity.
        min_snr: γ of the min-SNR weighting; None weighs all times alike.
    """

    alphas_cumprod: Float[Tensor, " times"]
    prediction: Literal["epsilon", "v"] = "epsilon"
    min_snr: float | None = None

    def __call__(self, predict: Predict, noised: Noised) -> Float[Tensor, ""]:
        """The loss of a batch.

        Args:
            predict: the network, given noisy latents scaled for it and their times.
        """
        signal, noise = self.shares(noised.t)
        inputs = signal * noised.latents + noise * noised.noise
        error = predict(inputs, noised.t.float()) - self.target(noised)
        each = error.float().square().mean(dim=(1, 2, 3))
        return (self.weights(noised.t) * each).mean()

    def shares(self, t: Int[Tensor, " b"]) -> tuple[Float[Tensor, "b 1 1 1"], Float[Tensor, "b 1 1 1"]]:
        """Factors of latents and noise in what the network sees.

        Source: Ho et al. 2020, arXiv:2006.11239, eq. 4.
        """
        alphas = self.alphas_cumprod[t][:, None, None, None]
        return alphas.sqrt(), (1 - alphas).sqrt()

    def target(self, noised: Noised) -> Float[Tensor, "b c h w"]:
        """What a perfect network would answer.

        Source: the noise, Ho et al. 2020, eq. 14; v = √ᾱ ε - √(1-ᾱ) x₀, Salimans & Ho 2022,
        arXiv:2202.00512, appendix D.
        """
        if self.prediction == "epsilon":
            return noised.noise
        signal, noise = self.shares(noised.t)
        return signal * noised.noise - noise * noised.latents

    def weights(self, t: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """How much each time counts.

        Source: Hang et al. 2023, arXiv:2303.09556, section 3.4: min(SNR, γ) on x₀, which is
        min(SNR, γ) / SNR on noise and min(SNR, γ) / (SNR + 1) on v.
        """
        if self.min_snr is None:
            return torch.ones_like(t, dtype=torch.float32)
        alphas = self.alphas_cumprod[t]
        snr = alphas / (1 - alphas)
        return snr.clamp(max=self.min_snr) / (snr if self.prediction == "epsilon" else snr + 1)
