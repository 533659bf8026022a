"""Timing: denoisers that take over from one another as the noise falls."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from gesso.guidance.scale import step_of
from gesso.sampling.levels import Sigmas
from gesso.sampling.samplers import Denoise

__all__ = ["stepwise"]


def stepwise(spans: Sequence[tuple[int, Denoise]], sigmas: Sigmas) -> Denoise:
    """A denoiser whose words change from step to step: the noise level tells the step.

    Args:
        spans: the last step, counted from 1, of each denoiser.
        sigmas: the noise levels of the whole run.
    """
    if len(spans) == 1:
        return spans[0][1]

    def denoise(x: Float[Tensor, "b c h w"], sigma: float) -> Float[Tensor, "b c h w"]:
        step = step_of(sigma, sigmas) + 1
        chosen = next((each for until, each in spans if step <= until), spans[-1][1])
        return chosen(x, sigma)

    return denoise
