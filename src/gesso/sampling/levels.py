"""NoiseLevels: the noise a network was trained to remove, σ ↔ the network's time t."""

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

from gesso.errors import RequestError

__all__ = ["ContinuousLevels", "NoiseLevels", "Sigmas", "TrainedLevels"]

Sigmas = tuple[float, ...]
"""Noise standard deviations a sampler walks down: falling, the last usually 0."""


class NoiseLevels(Protocol):
    """What a sampler's noise levels mean to one network."""

    @property
    def t_min(self) -> float:
        """The network's time at the least noise."""
        ...

    @property
    def t_max(self) -> float:
        """The network's time at the most noise."""
        ...

    @property
    def sigma_min(self) -> float:
        """The least noise trained, as a standard deviation in latents."""
        ...

    @property
    def sigma_max(self) -> float:
        """The most noise trained, as a standard deviation in latents."""
        ...

    @property
    def sigmas(self) -> Sigmas:
        """The trained levels, rising; a continuous range is cut into 1000, evenly in t."""
        ...

    def sigma(self, t: float) -> float:
        """The noise standard deviation at a time."""
        ...

    def t(self, sigma: float) -> float:
        """The time the network knows a noise standard deviation by."""
        ...


@dataclass(frozen=True)
class TrainedLevels:
    """A table of noise levels, one for each whole t; in between, ln σ is linear in t.

    Args:
        sigmas: noise standard deviations, > 0 and rising; index = t.

    Raises:
        RequestError: fewer than two levels, or levels that do not rise.

    Source: ln σ interpolation as in k-diffusion, external.py, DiscreteSchedule (quantize=False).
    """

    sigmas: Sigmas

    def __post_init__(self) -> None:
        rising = all(low < high for low, high in itertools.pairwise(self.sigmas))
        if len(self.sigmas) < 2 or self.sigmas[0] <= 0 or not rising or not math.isfinite(self.sigmas[-1]):
            ends = (self.sigmas[:1], self.sigmas[-1:])
            raise RequestError(
                f"noise levels must be two or more rising numbers above 0, however: {len(self.sigmas)} "
                f"levels, first and last {ends}"
            )

    @classmethod
    def scaled_linear(cls, first: float = 0.00085, last: float = 0.012, count: int = 1000) -> Self:
        """Stable Diffusion's levels: √β linear in t.

        Args:
            first: β at t = 0.
            last: β at t = count − 1.
            count: how many levels.

        Source: CompVis/stable-diffusion, ldm/modules/diffusionmodules/util.py, make_beta_schedule("linear")
        and configs/stable-diffusion/v1-inference.yaml; ᾱ is eq. 4 of Ho et al. 2020, arXiv:2006.11239.
        """
        low, high = math.sqrt(first), math.sqrt(last)
        betas = ((low + (high - low) * t / (count - 1)) ** 2 for t in range(count))
        return cls.from_alphas_cumprod(
            tuple(itertools.accumulate((1 - beta for beta in betas), lambda product, alpha: product * alpha))
        )

    @classmethod
    def from_alphas_cumprod(cls, alphas_cumprod: Sequence[float]) -> Self:
        """Levels from the share of the picture's variance that is left at each t.

        Args:
            alphas_cumprod: ᾱ at t = 0, 1, …, each in 0…1, falling.

        Source: σ = √((1 − ᾱ)/ᾱ), Song et al. 2021, arXiv:2010.02502, section 4.3.
        """
        if not all(0 < alpha < 1 for alpha in alphas_cumprod):
            raise RequestError("ᾱ must lie between 0 and 1 everywhere, however: some do not")
        return cls(tuple(math.sqrt((1 - alpha) / alpha) for alpha in alphas_cumprod))

    @cached_property
    def _logs(self) -> list[float]:
        return [math.log(sigma) for sigma in self.sigmas]

    @property
    def alphas_cumprod(self) -> tuple[float, ...]:
        """The share ᾱ of the picture's variance left at each t, falling."""
        return tuple(1 / (1 + sigma**2) for sigma in self.sigmas)

    @property
    def t_min(self) -> float:
        """The network's time at the least noise."""
        return 0.0

    @property
    def t_max(self) -> float:
        """The network's time at the most noise."""
        return float(len(self.sigmas) - 1)

    @property
    def sigma_min(self) -> float:
        """The least noise trained."""
        return self.sigmas[0]

    @property
    def sigma_max(self) -> float:
        """The most noise trained."""
        return self.sigmas[-1]

    def sigma(self, t: float) -> float:
        """The noise standard deviation at a time; times outside the table mean its ends."""
        t = min(max(t, 0.0), self.t_max)
        low = int(t)
        if low == t:
            return self.sigmas[low]
        return math.exp(self._logs[low] + (t - low) * (self._logs[low + 1] - self._logs[low]))

    def t(self, sigma: float) -> float:
        """The time of a noise standard deviation; levels outside the table mean its ends."""
        if sigma <= self.sigma_min:
            return self.t_min
        if sigma >= self.sigma_max:
            return self.t_max
        low = bisect.bisect_right(self.sigmas, sigma) - 1
        return low + (math.log(sigma) - self._logs[low]) / (self._logs[low + 1] - self._logs[low])

    def zero_terminal_snr(self) -> Self:
        """The same levels stretched so that the last is practically pure noise.

        √ᾱ is shifted and scaled so that it ends in 0 and keeps its start; the last ᾱ is then set to
        4.8973451890853435e-08 (σ ≈ 4519), because σ would be infinite.

        Source: Lin et al. 2023, arXiv:2305.08891, algorithm 1; the last value is the one that published
        zero-terminal-SNR models are sampled with (AUTOMATIC1111 webui, modules/sd_models.py).
        """
        roots = [math.sqrt(alpha) for alpha in self.alphas_cumprod]
        first, last = roots[0], roots[-1]
        alphas = [((root - last) * first / (first - last)) ** 2 for root in roots]
        return type(self).from_alphas_cumprod((*alphas[:-1], 4.8973451890853435e-08))


@dataclass(frozen=True)
class ContinuousLevels:
    """Any noise level in a range, known to the network as t = ¼ ln σ.

    Args:
        sigma_min: least noise trained, > 0.
        sigma_max: most noise trained.

    Raises:
        RequestError: the range is empty or not above 0.

    Source: Karras et al. 2022, arXiv:2206.00364, table 1, column "Ours", c_noise.
    """

    sigma_min: float
    sigma_max: float

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise RequestError(
                "noise levels must be a range above 0, however: "
                f"sigma_min {self.sigma_min}, sigma_max {self.sigma_max}"
            )

    @property
    def sigmas(self) -> Sigmas:
        """The range cut into 1000 levels, evenly in t, rising."""
        return self._cut

    @cached_property
    def _cut(self) -> Sigmas:
        step = (self.t_max - self.t_min) / 999
        inner = (self.sigma(self.t_min + i * step) for i in range(1, 999))
        return (float(self.sigma_min), *inner, float(self.sigma_max))

    @property
    def t_min(self) -> float:
        """The network's time at the least noise."""
        return self.t(self.sigma_min)

    @property
    def t_max(self) -> float:
        """The network's time at the most noise."""
        return self.t(self.sigma_max)

    def sigma(self, t: float) -> float:
        """The noise standard deviation at a time."""
        return math.exp(4 * t)

    def t(self, sigma: float) -> float:
        """The time of a noise standard deviation; no noise at all means the least trained."""
        return math.log(sigma if sigma > 0 else self.sigma_min) / 4
