"""What every sampler takes and gives: Denoise, Noise, Step, and the walk down the noise levels."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from jaxtyping import Float
from torch import Tensor

from gesso.errors import RequestError
from gesso.sampling.levels import Sigmas

__all__ = ["Denoise", "Latents", "Noise", "Order", "Sampler", "Step", "intervals"]

Latents = Float[Tensor, "b c h w"]

Denoise = Callable[[Latents, float], Latents]
"""(x, sigma) → the estimate of the clean picture in x, whose noise has standard deviation sigma."""

Order = Literal[1, 2, 3, 4]
"""How many past steps a multistep sampler looks back on, the present one included."""


class Noise(Protocol):
    """A source of randomness that a picture's seed alone decides."""

    def draw(self) -> Latents:
        """Fresh unit Gaussian noise; every call goes on where the last ended."""
        ...

    def between(self, sigma: float, sigma_next: float) -> Latents:
        """The increment of one Brownian path from one noise level to another, scaled to unit variance."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """Where a sampler stands after one step.

    Args:
        index: 0 for the first step.
        sigma: standard deviation of the noise that x has now.
        x: noisy latents; the last step's are the answer.
        denoised: the latest estimate of the clean picture, for previews.
    """

    index: int
    sigma: float
    x: Latents
    denoised: Latents


class Sampler(Protocol):
    """A generator that walks x down the noise levels, a step at a time.

    x comes with noise of standard deviation sigmas[0] and leaves with sigmas[-1]: 0 is a finished picture,
    more is one to be gone on with. Samplers that look at one level only (euler, heun, dpm_2, ddim, lcm and
    the ancestral ones) give the same picture when a schedule is cut in two and walked in two runs with the
    same Noise. Multistep ones (lms, dpmpp_2m, plms, uni_pc …) start the second run without a past, which
    costs them their order for a step or two. `s_churn` and `restart` are shares of one run's length.
    """

    def __call__(self, denoise: Denoise, x: Latents, sigmas: Sigmas, noise: Noise, /) -> Iterator[Step]:
        """Walk x down the noise levels."""
        ...


def intervals(sigmas: Sigmas) -> Iterator[tuple[int, float, float]]:
    """Each step's index, the noise level it starts from and the one it goes to.

    Raises:
        RequestError: the levels do not fall, or go below 0.
    """
    if any(sigma <= sigma_next for sigma, sigma_next in itertools.pairwise(sigmas)) or sigmas[-1] < 0:
        raise RequestError(f"noise levels must fall and end at 0 or above, however: {sigmas}")
    for index, (sigma, sigma_next) in enumerate(itertools.pairwise(sigmas)):
        yield index, sigma, sigma_next
