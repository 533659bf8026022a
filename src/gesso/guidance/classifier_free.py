"""Classifier-free guidance: the estimate with the prompt, pushed away from the one without."""

from collections.abc import Sequence
from math import inf

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning, cat
from gesso.denoiser import Denoiser
from gesso.sampling.levels import Sigmas
from gesso.sampling.samplers import Denoise

__all__ = ["classifier_free", "composed", "rescaled", "stepwise"]

Latents = Float[Tensor, "b c h w"]


def classifier_free(
    denoiser: Denoiser,
    positive: Conditioning,
    negative: Conditioning | None,
    *,
    scale: float,
    rescale: float = 0.0,
    sigmas: tuple[float, float] = (0.0, inf),
    weights: tuple[float, ...] = (1.0,),
) -> Denoise:
    """Close a denoiser over a prompt and what to keep away from.

    Both estimates come from one network call on a doubled batch. Where the scale is 1, or the noise level
    lies outside the interval, the second half is not computed at all.

    Args:
        positive: as many rows as weights.
        negative: may be None only where scale is 1 and there is one estimate of weight 1.
        scale: 1 follows the prompt alone; larger values exaggerate what the prompt changes.
        rescale: 0…1, share of the contrast taken back to the prompted estimate's.
        sigmas: guidance is applied for noise levels in this range, both ends included.
        weights: of the estimates that are added up. Unless there is one of weight 1, the negative is asked
            for at every noise level.

    Source: Ho & Salimans 2022, arXiv:2207.12598, eq. 6; interval: Kynkäänniemi et al. 2024, arXiv:2404.07724.
    """
    if negative is None or (scale == 1.0 and weights == (1.0,)):
        return lambda x, sigma: denoiser(x, sigma, positive)
    rows = len(weights) + 1
    both = cat((positive, negative))

    def denoise(x: Latents, sigma: float) -> Latents:
        inside = sigmas[0] <= sigma <= sigmas[1]
        if not inside and weights == (1.0,):
            return denoiser(x, sigma, positive)
        *told, without = denoiser(torch.cat([x] * rows), sigma, both).chunk(rows)
        with_prompt = composed(told, without, weights)
        if not inside:
            return with_prompt
        guided = without + scale * (with_prompt - without)
        return rescaled(guided, with_prompt, rescale) if rescale else guided

    return denoise


def composed(told: Sequence[Latents], without: Latents, weights: tuple[float, ...]) -> Latents:
    """Estimates added up as directions away from the one without the prompt; one of weight 1 is itself.

    Source: Liu et al. 2022, arXiv:2206.01714, eq. 11.
    """
    if weights == (1.0,):
        return told[0]
    return without + sum(weight * (each - without) for each, weight in zip(told, weights, strict=True))


def stepwise(spans: Sequence[tuple[int, Denoise]], sigmas: Sigmas) -> Denoise:
    """A denoiser whose words change from step to step: the noise level tells the step.

    Args:
        spans: the last step, counted from 1, of each denoiser.
        sigmas: the noise levels of the whole run.
    """
    if len(spans) == 1:
        return spans[0][1]

    def denoise(x: Latents, sigma: float) -> Latents:
        # a step that starts a little above its level, by rounding, is that step
        step = max(1, sum(level >= sigma * (1.0 - 1e-6) for level in sigmas[:-1]))
        chosen = next((each for until, each in spans if step <= until), spans[-1][1])
        return chosen(x, sigma)

    return denoise


def rescaled(guided: Latents, with_prompt: Latents, share: float) -> Latents:
    """Bring the guided estimate's contrast back towards the prompted estimate's.

    Source: Lin et al. 2023, arXiv:2305.08891, eqs. 15 and 16.
    """
    axes = (1, 2, 3)
    ratio = with_prompt.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
    return guided * (share * ratio + (1.0 - share))
