"""The training loss against its closed forms."""

from dataclasses import replace
from typing import Literal

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from gesso.sampling.levels import TrainedLevels
from gesso.sampling.prediction import prediction
from gesso.training.objective import Noised, Objective
from gesso.training.recipe import ObjectiveRules

ALPHAS = torch.tensor(TrainedLevels.scaled_linear().alphas_cumprod, dtype=torch.float64)
Name = Literal["epsilon", "v", "x0"]
PREDICTIONS: tuple[Name, ...] = ("epsilon", "v", "x0")
MIN_SNR = ObjectiveRules(weighting="min_snr", gamma=5.0)


def noised(t: int) -> Noised:
    draws = torch.Generator().manual_seed(t)
    shape = (3, 4, 2, 2)
    latents = torch.randn(shape, generator=draws, dtype=torch.float64)
    noise = torch.randn(shape, generator=draws, dtype=torch.float64)
    return Noised(latents, noise, torch.full((3,), t))


@pytest.mark.parametrize("name", PREDICTIONS)
@pytest.mark.parametrize("t", [0, 400, 999])
def test_a_network_that_knows_the_answer_has_no_loss(name: Name, t: int) -> None:
    batch = noised(t)
    objective = Objective(ALPHAS, name, MIN_SNR)
    assert float(objective(lambda _x, _t: objective.target(batch), batch)) == 0


@pytest.mark.parametrize("name", PREDICTIONS)
@pytest.mark.parametrize("t", [0, 400, 999])
def test_the_target_is_what_the_sampler_reads_as_clean_latents(name: Name, t: int) -> None:
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


def test_what_lies_outside_the_mask_counts_as_little_as_asked() -> None:
    batch = noised(300)
    mask = torch.zeros(3, 1, 2, 2, dtype=torch.float64)
    mask[..., 0] = 1

    def loss(unmasked: float, *, whole: bool = False) -> float:
        objective = Objective(ALPHAS, "epsilon", ObjectiveRules(unmasked=unmasked))
        shown = batch if whole else replace(batch, mask=mask)
        return float(objective(lambda x, _: torch.zeros_like(x), shown))

    inside = float((batch.noise.square() * mask).mean())
    assert loss(0.0) == pytest.approx(inside)
    assert loss(1.0) == pytest.approx(loss(0.0, whole=True))
    assert loss(0.25) == pytest.approx(0.75 * loss(0.0) + 0.25 * loss(1.0))


def test_the_network_sees_other_noise_than_it_is_asked_for() -> None:
    batch = noised(500)
    seen: list[Tensor] = []

    def predict(x: Float[Tensor, "b c h w"], _: Float[Tensor, " b"]) -> Tensor:
        seen.append(x)
        return batch.noise

    objective = Objective(ALPHAS)
    shown = replace(batch, seen=torch.zeros_like(batch.noise))
    assert float(objective(predict, shown)) == 0
    torch.testing.assert_close(seen[0], objective.shares(batch.t)[0] * batch.latents)


def test_a_network_that_says_nothing_loses_the_target_s_square() -> None:
    batch = noised(500)
    objective = Objective(ALPHAS, "v")
    loss = objective(lambda x, _: torch.zeros_like(x), batch)
    torch.testing.assert_close(loss.double(), objective.target(batch).square().mean(), rtol=1e-5, atol=0)
