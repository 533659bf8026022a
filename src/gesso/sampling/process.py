"""How noise mixes with the picture: x = picture + σ·noise, the parts of a step that samplers share."""

import math
from dataclasses import dataclass

from gesso.sampling.step import Latents, Noise

__all__ = ["NO_CHURN", "Churn", "ancestral", "churned", "slope", "toward"]


def toward(x: Latents, denoised: Latents, ratio: float) -> Latents:
    """The exact solution over one step if the clean estimate did not change: noise shrinks by a ratio.

    Args:
        x: noisy latents.
        denoised: the clean estimate.
        ratio: new σ over old σ; 0 gives the clean estimate itself.

    Source: Lu et al. 2022, arXiv:2211.01095, DPM-Solver++ of first order, in σ; it is also Euler's step of
    Karras et al. 2022, arXiv:2206.00364, and DDIM's.
    """
    return denoised + ratio * (x - denoised)


def slope(x: Latents, sigma: float, denoised: Latents) -> Latents:
    """dx/dσ, which is the estimate of the noise itself.

    Source: Karras et al. 2022, arXiv:2206.00364, eq. 3 with σ(t) = t.
    """
    return (x - denoised) / sigma


def ancestral(sigma: float, sigma_next: float, eta: float) -> tuple[float, float]:
    """A step down in two parts: the level to denoise to, and the fresh noise that leads back up.

    Args:
        sigma: where the step starts.
        sigma_next: where it ends.
        eta: share of the noise that is fresh; 0 none, 1 as in the trained noising process.

    Returns:
        down and up with down² + up² = sigma_next².

    Source: Song et al. 2021, arXiv:2010.02502, eq. 16, with x scaled by 1/√ᾱ; k-diffusion, sampling.py,
    get_ancestral_step.
    """
    fresh = eta * sigma_next * math.sqrt(1 - (sigma_next / sigma) ** 2)
    up = min(sigma_next, fresh)
    return math.sqrt(sigma_next**2 - up**2), up


@dataclass(frozen=True, slots=True)
class Churn:
    """Noise added before each step, so that the step corrects earlier errors.

    Args:
        s_churn: how much over the whole run; 0 none. Above 0.41 · steps it has no further effect.
        s_tmin: only from this σ on.
        s_tmax: only up to this σ; the default is beyond all there are, and a number that JSON can hold.
        s_noise: standard deviation of the added noise; a little above 1 keeps detail.

    Source: Karras et al. 2022, arXiv:2206.00364, algorithm 2.
    """

    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = 1e6
    s_noise: float = 1.0

    def level(self, sigma: float, steps: int) -> float:
        """The level that the noise is raised to before a step from sigma."""
        if not self.s_tmin <= sigma <= self.s_tmax:
            return sigma
        return sigma * (1 + min(self.s_churn / steps, math.sqrt(2) - 1))


NO_CHURN = Churn()


def churned(x: Latents, sigma: float, sigma_hat: float, noise: Noise, s_noise: float) -> Latents:
    """Latents with their noise raised from one level to another.

    Source: Karras et al. 2022, arXiv:2206.00364, algorithm 2, line 6.
    """
    if sigma_hat == sigma:
        return x
    return x + noise.draw() * (s_noise * math.sqrt(sigma_hat**2 - sigma**2))
