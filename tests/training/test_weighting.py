"""Weightings are what their papers say."""

import pytest
import torch

from gesso.training.weighting import WEIGHTINGS

SNR = torch.tensor([1e-4, 0.1, 1.0, 4.0, 20.0, 500.0])
OF_CLEAN = {"epsilon": SNR, "v": SNR + 1, "x0": torch.ones_like(SNR)}


@pytest.mark.parametrize("prediction", OF_CLEAN)
def test_min_snr_is_the_same_on_clean_latents_whatever_is_named(prediction: str) -> None:
    weights = WEIGHTINGS["min_snr"](SNR, prediction, 5.0)
    torch.testing.assert_close(weights * OF_CLEAN[prediction], SNR.clamp(max=5.0))


@pytest.mark.parametrize("prediction", OF_CLEAN)
def test_like_epsilon_counts_a_mistake_as_noise_would(prediction: str) -> None:
    weights = WEIGHTINGS["like_epsilon"](SNR, prediction, 0.0)
    torch.testing.assert_close(weights * OF_CLEAN[prediction], SNR)


def test_the_others_are_their_closed_forms() -> None:
    torch.testing.assert_close(WEIGHTINGS["none"](SNR, "v", 1.0), torch.ones(6))
    torch.testing.assert_close(WEIGHTINGS["p2"](SNR, "epsilon", 0.5), (1 + SNR) ** -0.5)
    torch.testing.assert_close(WEIGHTINGS["debiased"](SNR, "epsilon", 0.0), SNR**-0.5)
    torch.testing.assert_close(WEIGHTINGS["debiased"](SNR, "v", 0.0), 1 / (SNR + 1))
