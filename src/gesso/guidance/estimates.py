"""Estimates: what one call of the network says, by the role of each of its rows, and how they become one.

Every kind of guidance asks for its rows in one batched call. A rule then combines them; rules are functions
of the estimates alone, so that they can be stacked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning, cat
from gesso.guidance.regions import Maps, merged
from gesso.sampling.samplers import Denoise

__all__ = ["Asked", "Estimates", "Estimator", "Rule", "composed", "guided", "straight"]

Latents = Float[Tensor, "b c h w"]

Estimator = Callable[[Latents, float, Conditioning], Latents]
"""(noisy latents, their noise level, what each row is told) → clean latents: a Denoiser, or its windows."""


@dataclass(frozen=True)
class Asked:
    """What is to be estimated.

    Args:
        positive: a row for each weight, and after these one for each region.
        negative: None only where nothing is guided and there is one estimate of weight 1.
        weights: of the estimates that are added up as directions.
        maps: how much each estimate counts at each place, the base first; None without regions.
        neutral: what is told without any words, where a rule needs it.
        blind: the negative without the picture to change, where a rule needs it.
        perturbed: noise levels, both included, between which the first estimate is also made with some
            attention disturbed; None for never.
    """

    positive: Conditioning
    negative: Conditioning | None
    weights: tuple[float, ...] = (1.0,)
    maps: Maps | None = None
    neutral: Conditioning | None = None
    blind: Conditioning | None = None
    perturbed: tuple[float, float] | None = None


@dataclass(frozen=True)
class Estimates:
    """Clean latents as seen by each role at one noise level.

    Args:
        x: the noisy latents.
        sigma: their noise level.
        scale: how far guidance goes at this level.
        prompt: with the prompt.
        negative: with what to keep away from; the prompt's own where the level is not guided.
        neutral: without any words.
        perturbed: with the prompt and some attention disturbed.
        blind: as the negative, but without the picture to change.
    """

    x: Latents
    sigma: float
    scale: float
    prompt: Latents
    negative: Latents
    neutral: Latents | None = None
    perturbed: Latents | None = None
    blind: Latents | None = None


Rule = Callable[[Estimates], Latents]
"""How estimates become one."""


def straight(said: Estimates) -> Latents:
    """The estimate with the prompt, pushed away from the one without.

    Source: Ho & Salimans 2022, arXiv:2207.12598, eq. 6, in terms of clean estimates.
    """
    return said.negative + said.scale * (said.prompt - said.negative)


def composed(told: Sequence[Latents], without: Latents, weights: tuple[float, ...]) -> Latents:
    """Estimates added up as directions away from the one without the prompt; one of weight 1 is itself.

    Source: Liu et al. 2022, arXiv:2206.01714, eq. 11.
    """
    if weights == (1.0,):
        return told[0]
    return without + sum(weight * (each - without) for each, weight in zip(told, weights, strict=True))


def guided(
    estimator: Estimator,
    asked: Asked,
    scale: Callable[[float], float],
    rule: Rule = straight,
    *,
    always: bool = False,
) -> Denoise:
    """Close a denoiser over what is asked and how the answers are combined.

    Rows that do not change the result are not computed: the negative where the scale is 1 and no composition
    is built upon it.

    Args:
        scale: noise level → how far guidance goes; 1 follows the prompt alone.
        rule: gives the combined estimate wherever the scale is not 1 or something was disturbed.
        always: the rule has a say everywhere.
    """

    def denoise(x: Latents, sigma: float) -> Latents:
        amount = scale(sigma)
        said = _said(estimator, _told(asked, sigma, amount), asked, (x, sigma, amount))
        # an estimate that nothing disturbs and nothing guides is the answer, to the bit
        untouched = amount == 1.0 and said.perturbed is None and not always
        return said.prompt if untouched else rule(said)

    return denoise


def _told(asked: Asked, sigma: float, amount: float) -> dict[str, Conditioning]:
    """What is told at a noise level, by role, in the order of the rows."""
    told = {"prompt": asked.positive}
    if asked.negative is not None and (amount != 1.0 or asked.weights != (1.0,)):
        told["negative"] = asked.negative
        beside = {"neutral": asked.neutral, "blind": asked.blind}
        told |= {role: each for role, each in beside.items() if each is not None}
    if asked.perturbed is not None and asked.perturbed[0] <= sigma <= asked.perturbed[1]:
        rows = len(asked.positive) // (len(asked.weights) + len(asked.maps or (0,)) - 1)
        told["perturbed"] = replace(asked.positive.first(rows), roles=("perturbed",) * rows)
    return told


def _said(
    estimator: Estimator, told: dict[str, Conditioning], asked: Asked, at: tuple[Latents, float, float]
) -> Estimates:
    """All rows in one call, sorted by their roles."""
    x, sigma, amount = at
    rows = cat(list(told.values())) if len(told) > 1 else asked.positive
    each = len(rows) // x.shape[0]
    answers = estimator(torch.cat([x] * each) if each > 1 else x, sigma, rows).chunk(each)
    parts = answers[: len(asked.positive) // x.shape[0]]
    others = dict(zip(list(told)[1:], answers[len(parts) :], strict=True))
    words, regions = parts[: len(asked.weights)], parts[len(asked.weights) :]
    prompt = composed(words, others.get("negative", words[0]), asked.weights)
    if asked.maps is not None:
        prompt = merged([prompt, *regions], asked.maps)
    negative = others.get("negative", prompt)
    further = {role: others.get(role) for role in ("neutral", "perturbed", "blind")}
    return Estimates(x, sigma, amount, prompt, negative, **further)
