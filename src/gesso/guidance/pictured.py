"""Pictured: how far to follow the picture that a model is to change, beside how far to follow the words."""

from jaxtyping import Float
from torch import Tensor

from gesso.guidance.estimates import Estimates, Rule

__all__ = ["pictured"]


def pictured(rule: Rule, scale: float) -> Rule:
    """A rule whose result is pushed away from what the network says without the picture.

    Args:
        scale: how far to follow the picture; 1 changes nothing.

    Source: Brooks et al. 2022, arXiv:2211.09800, eq. 3, in terms of clean estimates: with the words' guidance
    D_neg + s (D - D_neg), the picture's adds (s_I - 1) (D_neg - D_blind).
    """

    def found(said: Estimates) -> Float[Tensor, "b c h w"]:
        result = rule(said)
        return result if said.blind is None else result + (scale - 1.0) * (said.negative - said.blind)

    return found
