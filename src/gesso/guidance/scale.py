"""How far guidance goes at each noise level: as far as asked, not at all, or further near the end."""

from collections.abc import Callable

from gesso.sampling.levels import Sigmas

__all__ = ["Scale", "alternating", "constant", "manifold", "within"]

Scale = Callable[[float], float]
"""Noise level → guidance scale; 1 follows the prompt alone and asks for no negative."""


def constant(scale: float) -> Scale:
    """The same at every level."""
    return lambda _: scale


def within(scale: Scale, levels: tuple[float, float]) -> Scale:
    """Guided only between two levels, both included.

    Source: Kynkäänniemi et al. 2024, arXiv:2404.07724, section 3.
    """
    return lambda sigma: scale(sigma) if levels[0] <= sigma <= levels[1] else 1.0


def alternating(scale: Scale, below: float, sigmas: Sigmas) -> Scale:
    """Below a noise level, guided at every other step only.

    Args:
        sigmas: the noise levels of the whole run, which tell the step.

    Source: AUTOMATIC1111/stable-diffusion-webui, "negative guidance minimum sigma".
    """

    def found(sigma: float) -> float:
        return 1.0 if sigma < below and step_of(sigma, sigmas) % 2 else scale(sigma)

    return found


def manifold(scale: float, sigmas: Sigmas) -> Scale:
    """CFG++ for samplers of one call a step: the next step's noise comes from the negative's estimate alone.

    The step x' = D_λ + (σ'/σ) (x - D_neg) with D_λ = D_neg + λ (D - D_neg) is the plain Euler step of an
    estimate guided by λ / (1 - σ'/σ), so that CFG++ is a scale that grows as steps get smaller.

    Args:
        scale: λ, 0…1.
        sigmas: the noise levels of the whole run.

    Source: Chung et al. 2024, arXiv:2406.08070, algorithm 2 and eq. 12.
    """

    def found(sigma: float) -> float:
        step = step_of(sigma, sigmas)
        return scale / (1.0 - sigmas[step + 1] / sigmas[step])

    return found


def step_of(sigma: float, sigmas: Sigmas) -> int:
    """The step, from 0, that a noise level belongs to: the last that starts at it or above."""
    return max(0, sum(level >= sigma * (1.0 - 1e-6) for level in sigmas[:-1]) - 1)
