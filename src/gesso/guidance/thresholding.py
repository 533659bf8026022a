"""Dynamic thresholding: guidance as strong as asked, with the range of a weaker one."""

from jaxtyping import Float
from torch import Tensor

from gesso.guidance.estimates import Estimates, Rule, straight

__all__ = ["thresholded"]


def thresholded(rule: Rule, mimic: float, percentile: float) -> Rule:
    """A rule whose result has, channel by channel, the range that a weaker guidance scale would give.

    Args:
        mimic: the weaker scale.
        percentile: 0…1, the share of values that must lie within the range; the others are cut off.

    Source: Saharia et al. 2022, arXiv:2205.11487, section 2.3, for latents: centred per channel, against the
    range of a second scale, as in mcmonkeyprojects/sd-dynamic-thresholding.
    """

    def found(said: Estimates) -> Float[Tensor, "b c h w"]:
        strong = rule(said)
        weak = straight(Estimates(said.x, said.sigma, mimic, said.prompt, said.negative))
        middle, low = _middle(strong), _middle(weak)
        deviations = (strong - middle).abs().flatten(2)
        wanted = (weak - low).abs().flatten(2).amax(-1)[..., None, None]
        reached = deviations.float().quantile(percentile, dim=-1).to(strong.dtype)[..., None, None]
        limit = reached.maximum(wanted)
        return (strong - middle).clamp(-limit, limit) * (wanted / limit) + middle

    return found


def _middle(latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c 1 1"]:
    return latents.mean((2, 3), keepdim=True)
