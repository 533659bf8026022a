"""Lessons: what a batch's loss is, by closed forms and by the models themselves."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from gesso.model import Model
from gesso.training.lesson import Batch, Painting
from gesso.training.loop import Turn
from gesso.training.recipe import TimeRules
from gesso.training.setup import Ready
from gesso.training.subjects.table import BOTH_WAYS
from gesso.training.subjects.tiny import Tiny
from tests.training import made


def ready(model: Model, tmp_path: Path, **fields: Any) -> Ready:
    if not (tmp_path / "p").exists():
        made.album(tmp_path / "p", 2)
    asked = made.recipe(model.path, tmp_path / "p", tmp_path / "run", batch=2, **fields)
    update = {"prediction": model.identity.facts.prediction.value}
    asked = asked.model_copy(update={"objective": asked.objective.model_copy(update=update)})
    setup = made.set_up(model, asked)
    *_, audit = setup.audit()
    return setup.ready(audit)


def first(each: Ready) -> Batch:
    return each.album.batch(Turn(0, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@torch.no_grad()
def test_the_loss_is_the_mistake_of_what_the_denoiser_estimates(
    models: dict[str, Model], tmp_path: Path, family: str
) -> None:
    """From D(x, σ): a mistake e in clean latents is √SNR e in noise and √(SNR + 1) e in v."""
    model = models[family]
    each = ready(model, tmp_path)
    batch = first(each)
    noised = each.lesson.draws(batch, torch.Generator().manual_seed(1), TimeRules(first=400, last=400))
    losses = each.lesson.losses(batch, noised)
    sigma = model.denoiser.levels.sigma(400)
    assert isinstance(each.lesson, Painting)
    cond = each.lesson.telling(batch.captions, batch.sizes)
    denoised = model.denoiser(noised.latents + sigma * noised.noise, sigma, cond)
    mistake = (denoised - noised.latents).square().mean(dim=(1, 2, 3))
    factor = {"epsilon": sigma**-2, "v": sigma**-2 + 1}[model.identity.facts.prediction.value]
    torch.testing.assert_close(losses, mistake * factor, rtol=1e-3, atol=1e-5)


def test_draws_are_the_generator_s_alone(models: dict[str, Model], tmp_path: Path) -> None:
    each = ready(models["sd1"], tmp_path)
    batch = first(each)
    one, same, other = (each.lesson.draws(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.latents, same.latents)
    assert torch.equal(one.noise, same.noise)
    assert torch.equal(one.t, same.t)
    assert not torch.equal(one.noise, other.noise)


def test_means_are_taken_where_that_is_asked_for(models: dict[str, Model], tmp_path: Path) -> None:
    each = ready(models["sd1"], tmp_path, objective={"latents": "mean"})
    batch = first(each)
    noised = each.lesson.draws(batch, torch.Generator())
    torch.testing.assert_close(noised.latents, models["sd1"].latents(batch.moments.mean))


def test_a_decoder_loses_what_does_not_come_back(files: dict[str, Path], tmp_path: Path) -> None:
    model = made.opened_model(files["sd1"])
    each = ready(model, tmp_path, subject={"kind": "decoder"})
    batch = first(each)
    noised = each.lesson.draws(batch, torch.Generator().manual_seed(0))
    with torch.no_grad():
        error = model.vae.decode(noised.latents) - batch.pixels
        torch.testing.assert_close(
            each.lesson.losses(batch, noised), (error.abs() + error.square()).mean(dim=(1, 2, 3))
        )


def test_a_tiny_decoder_is_shown_latents_as_the_denoiser_has_them(
    files: dict[str, Path], tmp_path: Path
) -> None:
    model = made.opened_model(files["sd1"])
    rules = {"kind": "tiny", "width": 8}
    each, narrow = (ready(model, tmp_path, subject=rules, dtype=kind) for kind in ("float32", "bfloat16"))
    batch = first(each)
    noised = each.lesson.draws(batch, torch.Generator().manual_seed(0))
    assert isinstance(each.subject, Tiny)
    with torch.no_grad():
        error = each.subject.decoder.decode(model.latents(noised.latents)) - batch.pixels
        losses = each.lesson.losses(batch, noised)
        torch.testing.assert_close(losses, (error.abs() + error.square()).mean(dim=(1, 2, 3)))
        assert not torch.equal(narrow.lesson.losses(batch, noised), losses)


def test_an_autoencoder_loses_what_does_not_come_back_and_what_is_far_from_noise(
    files: dict[str, Path], tmp_path: Path
) -> None:
    model = made.opened_model(files["sd1"])
    each = ready(model, tmp_path, subject={"kind": "autoencoder"})
    batch = first(each)
    assert batch.pixels is not None
    noised = each.lesson.draws(batch, torch.Generator().manual_seed(0))
    with each.subject.learning():
        losses = each.lesson.losses(batch, noised)
        losses.sum().backward()
    learnt = dict(each.subject.module.named_parameters())
    assert {name.split("/")[1].split(".")[0] for name in learnt} == set(BOTH_WAYS)
    assert all(weight.grad is not None for weight in learnt.values())
    with torch.no_grad():
        moments = model.vae.encode(batch.pixels)
        error = model.vae.decode(moments.sample(noised.noise)) - batch.pixels
        unit = Normal(torch.zeros(()), torch.ones(()))
        away = kl_divergence(Normal(moments.mean, (0.5 * moments.logvar).exp()), unit).sum(dim=(1, 2, 3))
        wanted = (error.abs() + error.square()).mean(dim=(1, 2, 3)) + 1e-6 * away / batch.pixels[0].numel()
    torch.testing.assert_close(losses.detach(), wanted)


def test_narrow_numbers_compute_where_that_is_asked_for(files: dict[str, Path], tmp_path: Path) -> None:
    model = made.opened_model(files["sd1"])
    for kind in ("full", "decoder", "autoencoder"):
        wide = ready(model, tmp_path, subject={"kind": kind})
        narrow = ready(model, tmp_path, subject={"kind": kind}, dtype="bfloat16")
        batch = first(wide)
        noised = wide.lesson.draws(batch, torch.Generator().manual_seed(0))
        with torch.no_grad():
            one, other = wide.lesson.losses(batch, noised), narrow.lesson.losses(batch, noised)
        assert not torch.equal(one, other)
        torch.testing.assert_close(other.float(), one, rtol=0.1, atol=0.05)
