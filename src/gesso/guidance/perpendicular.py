"""Perpendicular negatives: what the negative says against the prompt is not held against it."""

from jaxtyping import Float
from torch import Tensor

from gesso.guidance.estimates import Estimates, Rule
from gesso.guidance.projected import across

__all__ = ["perpendicular"]


def perpendicular(weight: float) -> Rule:
    """Push away from the part of the negative that is at a right angle to the prompt.

    Args:
        weight: how strongly, beside the prompt's own direction.

    Source: Armandpour et al. 2023, arXiv:2304.04968, eq. 8.
    """

    def rule(said: Estimates) -> Float[Tensor, "b c h w"]:
        assert said.neutral is not None, "the neutral estimate is asked for with this rule"
        towards, away = said.prompt - said.neutral, said.negative - said.neutral
        return said.neutral + said.scale * (towards - weight * across(away, towards))

    return rule
