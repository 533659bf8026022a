"""What a diffusion network is trained for: its loss on clean latents, noise and times."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

from gesso.training.distance import DISTANCES, bound
from gesso.training.recipe import ObjectiveRules
from gesso.training.weighting import WEIGHTINGS

__all__ = ["Noised", "Objective"]

Predict = Callable[[Float[Tensor, "b c h w"], Float[Tensor, " b"]], Float[Tensor, "b c h w"]]
PLAIN = ObjectiveRules()


@dataclass(frozen=True)
class Noised:
    """Clean latents, the noise put on them, and when.

    Args:
        t: network time of each, whole numbers.
        seen: the noise that the network sees, where that is another.
        mask: how much of each cell counts, 0…1; None for all.
        beside: what the network is shown beside the noisy latents.
    """

    latents: Float[Tensor, "b c h w"]
    noise: Float[Tensor, "b c h w"]
    t: Int[Tensor, " b"]
    seen: Float[Tensor, "b c h w"] | None = None
    mask: Float[Tensor, "b 1 h w"] | None = None
    beside: Float[Tensor, "b e h w"] | None = None

    def rows(self, share: slice) -> "Noised":
        """Some of them."""
        seen, mask, beside = (None if x is None else x[share] for x in (self.seen, self.mask, self.beside))
        return Noised(self.latents[share], self.noise[share], self.t[share], seen, mask, beside)


@dataclass(frozen=True)
class Objective:
    """The mean mistake of a prediction, weighted by time.

    Args:
        alphas_cumprod: share of the picture's variance left at each time, falling.
        prediction: what the network names: noise, velocity or the clean latents.
        rules: how mistakes are measured and weighted.
    """

    alphas_cumprod: Float[Tensor, " times"]
    prediction: Literal["epsilon", "v", "x0"] = "epsilon"
    rules: ObjectiveRules = PLAIN

    def __call__(self, predict: Predict, noised: Noised) -> Float[Tensor, ""]:
        """The loss of a batch.

        Args:
            predict: the network, given noisy latents scaled for it and their times.
        """
        return self.each(predict, noised).mean()

    def each(self, predict: Predict, noised: Noised) -> Float[Tensor, " b"]:
        """The loss of every row."""
        signal, noise = self.shares(noised.t)
        inputs = signal * noised.latents + noise * (noised.noise if noised.seen is None else noised.seen)
        error = (predict(inputs, noised.t.float()) - self.target(noised)).float()
        alphas = self.alphas_cumprod[noised.t].to(error)
        cost = DISTANCES[self.rules.loss](error, bound(self.rules, noised.t, alphas)[:, None, None, None])
        return self.weights(noised.t) * self.masked(cost, noised.mask).mean(dim=(1, 2, 3))

    def masked(
        self, cost: Float[Tensor, "b c h w"], mask: Float[Tensor, "b 1 h w"] | None
    ) -> Float[Tensor, "b c h w"]:
        """What lies outside the mask counts less."""
        if mask is None:
            return cost
        return cost * (self.rules.unmasked + (1 - self.rules.unmasked) * mask.to(cost))

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
        if self.prediction == "x0":
            return noised.latents
        signal, noise = self.shares(noised.t)
        return signal * noised.noise - noise * noised.latents

    def weights(self, t: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """How much each time counts."""
        alphas = self.alphas_cumprod[t]
        return WEIGHTINGS[self.rules.weighting](alphas / (1 - alphas), self.prediction, self.rules.gamma)
