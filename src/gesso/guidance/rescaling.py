"""Rescaling: guidance without the contrast that it adds."""

from jaxtyping import Float
from torch import Tensor

from gesso.guidance.estimates import Rule

__all__ = ["rescaled", "rescaling"]

Latents = Float[Tensor, "b c h w"]


def rescaling(rule: Rule, share: float) -> Rule:
    """A rule whose result has its contrast brought back.

    Args:
        share: 0…1, of the contrast taken back to the prompted estimate's.
    """
    return lambda said: rescaled(rule(said), said.prompt, share)


def rescaled(guided: Latents, with_prompt: Latents, share: float) -> Latents:
    """Bring the guided estimate's contrast back towards the prompted estimate's.

    Source: Lin et al. 2023, arXiv:2305.08891, eqs. 15 and 16.
    """
    axes = (1, 2, 3)
    ratio = with_prompt.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
    return guided * (share * ratio + (1.0 - share))
