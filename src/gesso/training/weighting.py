"""How much each time counts in the loss, as a factor of the mistake in what the network names."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["WEIGHTINGS", "Weighting"]

Row = Float[Tensor, " b"]
Weighting = Callable[[Row, str, float], Row]
"""(signal to noise ratio, prediction, gamma) → factors."""
LARGEST_SNR = 1000.0


def none(snr: Row, prediction: str, gamma: float) -> Row:
    """All times alike."""
    del prediction, gamma
    return torch.ones_like(snr)


def min_snr(snr: Row, prediction: str, gamma: float) -> Row:
    """min(SNR, γ) on clean latents, said of what the network names.

    Source: Hang et al. 2023, arXiv:2303.09556, section 3.4: min(SNR, γ) / SNR on noise, / (SNR + 1) on v.
    """
    return snr.clamp(max=gamma) / _of_clean(snr, prediction)


def debiased(snr: Row, prediction: str, gamma: float) -> Row:
    """1 / √SNR on noise, 1 / (SNR + 1) on v.

    Source: Yu et al. 2023, arXiv:2310.08442, eq. 10; the form for v and the bound of 1000 as in
    kohya-ss/sd-scripts.
    """
    del gamma
    bound = snr.clamp(max=LARGEST_SNR)
    return 1 / (bound + 1) if prediction == "v" else bound.rsqrt()


def p2(snr: Row, prediction: str, gamma: float) -> Row:
    """1 / (1 + SNR)^γ. Source: Choi et al. 2022, arXiv:2204.00227, eq. 8, with k = 1."""
    del prediction
    return (1 + snr) ** -gamma


def like_epsilon(snr: Row, prediction: str, gamma: float) -> Row:
    """The mistake in v or x₀ counts as the same mistake in noise would.

    Source: a mistake e in x₀ is √SNR e in noise and √(SNR + 1) e in v (Salimans & Ho 2022, appendix D).
    """
    del gamma
    return snr / _of_clean(snr, prediction)


def _of_clean(snr: Row, prediction: str) -> Row:
    """By what the square of a mistake in clean latents is multiplied in what the network names."""
    return {"epsilon": snr, "v": snr + 1, "x0": torch.ones_like(snr)}[prediction]


WEIGHTINGS: Mapping[str, Weighting] = {
    "none": none,
    "min_snr": min_snr,
    "debiased": debiased,
    "p2": p2,
    "like_epsilon": like_epsilon,
}
"""Weightings by the names that recipes use."""
