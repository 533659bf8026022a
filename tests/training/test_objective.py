"""The training loss against its closed forms."""

from typing import Literal

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from gesso.sampling.levels import TrainedLevels
from gesso.sampling.prediction import prediction
from gesso.training.objective import Noised, Objective

ALPHAS = torch.tensor(TrainedLevels.scaled_linear().alphas_cumprod, dtype=torch.float64)
PREDICTIONS: tuple[Literal["epsilon", "v"], ...] = ("epsilon", "v")


def noised(t: int) -> Noised:
    draws = torch.Generator().manual_seed(t)
    shape = (3, 4, 2, 2)
    latents = torch.randn(shape, generator=draws, dtype=torch.float64)
    noise = torch.randn(shape, generator=draws, dtype=torch.float64)
    return Noised(latents, noise, torch.full((3,), t))


@pytest.mark.parametrize("name", PREDICTIONS)
@pytest.mark.parametrize("t", [0, 400, 999])
def test_a_network_that_knows_the_answer_has_no_loss(name: Literal["epsilon", "v"], t: int) -> None:
    batch = noised(t)
    objective = Objective(ALPHAS, name, min_snr=5.0)
    assert float(objective(lambda _x, _t: objective.target(batch), batch)) == 0


@pytest.mark.parametrize("name", PREDICTIONS)
@pytest.mark.parametrize("t", [0, 400, 999])
def test_the_target_is_what_the_sampler_reads_as_clean_latents(name: Literal["epsilon", "v"], t: int) -> None:
    batch, sigma = noised(t), float(((1 - ALPHAS[t]) / ALPHAS[t]).sqrt())
    scalings = prediction(name)(sigma)
    x = batch.latents + sigma * batch.noise
    denoised = scalings.skip * x + scalings.out * Objective(ALPHAS, name).target(batch)
    torch.testing.assert_close(denoised, batch.latents, rtol=1e-9, atol=1e-9)


def test_the_network_sees_the_sampler_s_input() -> None:
    batch, sigma = noised(700), float(((1 - ALPHAS[700]) / ALPHAS[700]).sqrt())
    seen: list[Tensor] = []

    def predict(x: Float[Tensor, "b c h w"], t: Float[Tensor, " b"]) -> Tensor:
        seen.append(x)
        assert t.tolist() == [700.0] * 3
        return x

    Objective(ALPHAS, "v")(predict, batch)
    torch.testing.assert_close(seen[0], prediction("v")(sigma).input * (batch.latents + sigma * batch.noise))


@pytest.mark.parametrize("min_snr", [None, 5.0])
def test_noise_and_velocity_weigh_the_same_mistake_on_clean_latents_alike(min_snr: float | None) -> None:
    """An error e in x0 is √SNR e in noise and √(SNR + 1) e in v; min-SNR weighs e by min(SNR, γ)."""
    t = torch.tensor([10, 300, 600, 900])
    snr = ALPHAS[t] / (1 - ALPHAS[t])
    by_noise = Objective(ALPHAS, "epsilon", min_snr).weights(t) * snr
    by_v = Objective(ALPHAS, "v", min_snr).weights(t) * (snr + 1)
    if min_snr is None:
        torch.testing.assert_close(by_noise + 1, by_v)
    else:
        torch.testing.assert_close(by_noise, snr.clamp(max=min_snr))
        torch.testing.assert_close(by_v, by_noise)


def test_a_network_that_says_nothing_loses_the_target_s_square() -> None:
    batch = noised(500)
    objective = Objective(ALPHAS, "v")
    loss = objective(lambda x, _: torch.zeros_like(x), batch)
    torch.testing.assert_close(loss.double(), objective.target(batch).square().mean(), rtol=1e-5, atol=0)
