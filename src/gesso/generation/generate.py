"""Generate: the one loop that turns a request into pictures."""

import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from gesso.denoiser import Denoiser
from gesso.errors import NotFinite
from gesso.generation.conditions import Conditions, conditions
from gesso.generation.events import Event, Finished, Painted, Planned, Stepped
from gesso.generation.fitting import Fitting
from gesso.generation.latents import as_pixels, decoded, encoded, open_image, preview, widened
from gesso.generation.plan import Pass, Plan, plan
from gesso.generation.result import Result
from gesso.guidance.classifier_free import classifier_free
from gesso.model import Model, load
from gesso.request import Request
from gesso.runtime.memory import memory_errors
from gesso.sampling.noise import SeededNoise
from gesso.sampling.samplers import Denoise, Noise, sampler

__all__ = ["generate", "make_plan", "paint"]

Latents = Float[Tensor, "1 c h w"]


def paint(model: Model, request: Request) -> Result:
    """Paint a request's pictures, to the end.

    Raises:
        RequestError: the request contradicts itself or does not suit the model.
        ResourceError: not enough memory, or numbers that overflow in every type.
    """
    events = list(generate(model, request))
    last = events[-1]
    assert isinstance(last, Finished)
    return last.result


def make_plan(model: Model, request: Request) -> Plan:
    """What the request comes to on this model."""
    return plan(request, model.identity, model.denoiser.levels, model.vae.factor)


@torch.inference_mode()
def generate(model: Model, request: Request) -> Iterator[Event]:
    """Paint a request's pictures one after another, telling what happens.

    Closing the iterator cancels within a step. One picture at a time, so that picture i is, to the bit, the
    one that seed + i gives alone.

    Raises:
        RequestError: the request contradicts itself or does not suit the model.
        AdapterError: an adapter does not fit the model.
        ResourceError: not enough memory, or numbers that overflow in every type.
    """
    began = time.perf_counter()
    with memory_errors("painting"), Fitting() as fitting:
        run = _start(model, request, fitting)
        run.notes.extend(fitting.notes)
        yield Planned(run.plan)
        for picture in range(run.plan.request.count):
            yield from _picture(run, picture)
        full = run.plan.request
        solo = tuple(_alone(full, picture) for picture in range(full.count))
        seconds = time.perf_counter() - began
        yield Finished(Result(tuple(run.images), solo, seconds, tuple(dict.fromkeys(run.notes))))


@dataclass
class Run:
    """What is known and kept while one request is carried out."""

    plan: Plan
    models: dict[str, Model]
    conditions: dict[str, Conditions]
    source: Latents | None
    images: list[Image.Image] = field(default_factory=list[Image.Image])
    notes: list[str] = field(default_factory=list[str])
    done: int = 0


def _start(model: Model, request: Request, fitting: Fitting) -> Run:
    whole = make_plan(model, request)
    full = whole.request
    assert full.size is not None
    pixels = None
    if full.source is not None:
        pixels = as_pixels(open_image(str(full.source.image), full.size))
    models = {"base": model}
    if any(each.model == "refiner" for each in whole.passes):
        assert full.refiner is not None
        models["refiner"] = _refiner(full.refiner.model, model)
    full = fitting.put(models, full)
    whole = replace(whole, request=full)
    told = {name: conditions(each, full, pixels, whole.latent) for name, each in models.items()}
    source = None if pixels is None else model.latents(encoded(model, pixels))
    return Run(whole, models, told, source)


def _refiner(path: Path, base: Model) -> Model:
    name = str(base.dtype).removeprefix("torch.")
    return load(path, device=str(base.device), dtype=name)


def _picture(run: Run, picture: int) -> Iterator[Event]:
    """One picture; where numbers overflow, once more in float32."""
    done = run.done
    try:
        latents = yield from _denoised(run, picture)
    except NotFinite:
        run.done = done
        run.notes.append("painted in float32: narrower numbers overflowed")
        latents = yield from _denoised(run, picture, wide=True)
    image, notes = decoded(run.models["base"], latents)
    run.notes.extend(notes)
    run.images.append(image)
    yield Painted(picture, image, _alone(run.plan.request, picture))


def _denoised(run: Run, picture: int, *, wide: bool = False) -> Generator[Event, None, Latents]:
    """All passes of one picture; returns its clean latents."""
    base = run.models["base"]
    noise = _noise(run.plan, picture, base)
    x = noise.draw() * run.plan.passes[0].sigmas[0]
    if run.source is not None:
        x = x + run.source
    for each in run.plan.passes:
        model = run.models[each.model]
        with widened(model.denoiser.network) if wide else nullcontext():
            denoiser = replace(model.denoiser, dtype=torch.float32) if wide else model.denoiser
            x = yield from _steps(run, each, picture, _guided(run, each, denoiser), (x, noise))
    return x


def _noise(whole: Plan, picture: int, model: Model) -> Noise:
    """The random stream of one picture: its own seed, whatever else is painted beside it."""
    full = whole.request
    assert full.seed is not None
    shape = (model.identity.latent_channels, *whole.latent)
    sigmas = tuple(sigma for each in whole.passes for sigma in each.sigmas)
    return SeededNoise((full.seed + picture,), shape, sigmas, stream=full.noise, device=model.device)


def _guided(run: Run, each: Pass, denoiser: Denoiser) -> Denoise:
    told = run.conditions[each.model]
    return classifier_free(
        denoiser, told.positive, told.negative, scale=each.cfg, rescale=each.rescale, sigmas=each.guided
    )


def _steps(
    run: Run, each: Pass, picture: int, denoise: Denoise, start: tuple[Latents, Noise]
) -> Generator[Event, None, Latents]:
    """One pass over its noise levels; returns where it stopped."""
    x, noise = start
    for step in sampler(each.sampler, each.options)(denoise, x, each.sigmas, noise):
        if not torch.isfinite(step.x).all():
            raise NotFinite(f"latents must be finite, however: they overflow at sigma {step.sigma:.3f}")
        x = step.x
        run.done += 1
        look = partial(preview, run.models["base"], step.denoised)
        yield Stepped(picture, run.done, run.plan.steps, step, look)
    return x


def _alone(full: Request, picture: int) -> Request:
    """The request that paints one of the pictures by itself."""
    assert full.seed is not None
    return full.model_copy(update={"seed": full.seed + picture, "count": 1})
