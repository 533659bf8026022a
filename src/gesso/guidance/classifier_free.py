"""Classifier-free guidance: the estimate with the prompt, pushed away from the one without."""

from math import inf

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning, cat
from gesso.denoiser import Denoiser
from gesso.sampling.samplers import Denoise

__all__ = ["classifier_free", "rescaled"]

Latents = Float[Tensor, "b c h w"]


def classifier_free(
    denoiser: Denoiser,
    positive: Conditioning,
    negative: Conditioning | None,
    *,
    scale: float,
    rescale: float = 0.0,
    sigmas: tuple[float, float] = (0.0, inf),
) -> Denoise:
    """Close a denoiser over a prompt and what to keep away from.

    Both estimates come from one network call on a doubled batch. Where the scale is 1, or the noise level
    lies outside the interval, the second half is not computed at all.

    Args:
        negative: may be None only where scale is 1.
        scale: 1 follows the prompt alone; larger values exaggerate what the prompt changes.
        rescale: 0…1, share of the contrast taken back to the prompted estimate's.
        sigmas: guidance is applied for noise levels in this range, both ends included.

    Source: Ho & Salimans 2022, arXiv:2207.12598, eq. 6; interval: Kynkäänniemi et al. 2024, arXiv:2404.07724.
    """
    if negative is None or scale == 1.0:
        return lambda x, sigma: denoiser(x, sigma, positive)
    both = cat((positive, negative))

    def denoise(x: Latents, sigma: float) -> Latents:
        if not sigmas[0] <= sigma <= sigmas[1]:
            return denoiser(x, sigma, positive)
        with_prompt, without = denoiser(torch.cat([x, x]), sigma, both).chunk(2)
        guided = without + scale * (with_prompt - without)
        return rescaled(guided, with_prompt, rescale) if rescale else guided

    return denoise


def rescaled(guided: Latents, with_prompt: Latents, share: float) -> Latents:
    """Bring the guided estimate's contrast back towards the prompted estimate's.

    Source: Lin et al. 2023, arXiv:2305.08891, eqs. 15 and 16.
    """
    axes = (1, 2, 3)
    ratio = with_prompt.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
    return guided * (share * ratio + (1.0 - share))
