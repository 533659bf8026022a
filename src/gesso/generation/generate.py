"""Generate: the one loop that turns a request into pictures."""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from gesso.denoiser import Control
from gesso.errors import NotFinite
from gesso.generation.canvas import Stage
from gesso.generation.conditions import Conditions, conditions
from gesso.generation.controlling import OpenControl, View, open_controls, set_to_work, view
from gesso.generation.depth import depth_map
from gesso.generation.editing import Original, opened, prepared, surveyed
from gesso.generation.events import Event, Finished, Painted, Planned, Stepped
from gesso.generation.fitting import Fitting
from gesso.generation.guiding import Place, guide
from gesso.generation.image_prompts import image_prompts, named_image_prompts
from gesso.generation.latents import Scene, as_pixels, decoded, encoded, open_image, preview, widened
from gesso.generation.library import furnished
from gesso.generation.plan import Pass, Plan, plan, resolved
from gesso.generation.referring import referring
from gesso.generation.regions import named_regions, region_maps
from gesso.generation.result import Result
from gesso.generation.shown import named_shown
from gesso.generation.variations import Varied, varied
from gesso.generation.wording import spoken
from gesso.guidance.masking import held
from gesso.model import Model, load
from gesso.networks.seamless import seamless
from gesso.request import Request
from gesso.runtime.memory import memory_errors
from gesso.sampling.noise import SeededNoise
from gesso.sampling.samplers import Denoise, Noise, sampler
from gesso.sampling.variation import centred, slerp

__all__ = ["generate", "make_plan", "paint"]

Latents = Float[Tensor, "1 c h w"]

TURN = 0x9E3779B97F4A7C15
"""What a seed moves on by from stage to stage: 2⁶⁴ over the golden ratio, so that seeds of pictures side by
side, which differ by little, never meet."""
WHOLE = 0.99
"""A run that starts from this share of a model's highest noise level on starts from noise alone."""


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
    named, seen = surveyed(named_regions(request))
    # the seed decides what choices in braces name
    full = furnished(resolved(named, model.identity, model.factor))
    return plan(full, model.identity, model.denoiser.levels, model.factor, seen)


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
    prompted: tuple[Control, ...] = ()
    opened: tuple[OpenControl, ...] = ()
    varied: Varied | None = None
    original: Original | None = None
    controls: Mapping[str, tuple[Control, ...]] = field(init=False)
    scene: Scene = field(init=False)
    conditions: dict[str, tuple[Conditions, ...]] = field(init=False)
    clean: Latents | None = field(init=False)
    images: list[Image.Image] = field(default_factory=list[Image.Image])
    notes: list[str] = field(default_factory=list[str])
    done: int = 0
    picture: int = 0


def _start(model: Model, request: Request, fitting: Fitting) -> Run:
    whole = make_plan(model, request)
    full = whole.request
    models = {"base": model}
    if any(each.model == "refiner" for each in whole.passes):
        assert full.refiner is not None
        models["refiner"] = _refiner(full.refiner.model, model)
    # before adapters: what a control borrows of the UNet is the checkpoint's own
    opened_controls = open_controls(models, full.controls, fitting.notes)
    full = named_shown(named_image_prompts(fitting.put(models, full, whole.sigmas)))
    full = full.model_copy(update={"controls": tuple(each.use for each in opened_controls)})
    if full.seamless is not None:
        for network in {each for model in models.values() for each in _painting(model)}:
            fitting.enter_context(seamless(network, full.seamless))
    whole = replace(whole, request=full)
    prompted = image_prompts(model, full, whole.sigmas)
    if whole.stages is not None:
        assert full.source is not None
        return Run(whole, models, prompted, opened_controls, varied(model, full), opened(full.source))
    run = Run(whole, models, prompted, opened_controls, varied(model, full))
    assert full.size is not None
    pixels = None
    if full.source is not None:
        pixels = as_pixels(open_image(str(full.source.image), full.size))
    _set(run, Scene(whole.latent, pixels), full.size, view(full.size))
    return run


def _painting(model: Model) -> tuple[nn.Module, ...]:
    """The networks whose maps are pictures."""
    return model.denoiser.network, model.encoder, model.decoder


def _set(run: Run, scene: Scene, size: tuple[int, int], seen: View) -> None:
    """Put a scene before the models."""
    told = spoken(run.plan.request, run.picture).model_copy(update={"size": size})
    base, depth = run.models["base"], run.plan.request.depth
    if depth is not None:
        scene = replace(scene, depth=depth_map(depth, seen, scene.latent))
    if run.varied is not None:
        scene = replace(scene, vector=run.varied(_seed(run)))
    run.scene = scene
    steps = len(run.plan.sigmas) - 1
    run.conditions = {name: conditions(each, told, scene, steps) for name, each in run.models.items()}
    acting = set_to_work(run.models, run.opened, scene, seen, run.plan.sigmas)
    use = run.plan.request.reference
    # first, so that what the network makes of it is not changed by what follows
    looking = () if use is None else (referring(base, use, scene, run.plan.sigmas, _seed(run)),)
    # a refiner reads other tokens than the model that it refines for
    run.controls = {**acting, "base": (*looking, *run.prompted, *acting.get("base", ()))}
    run.clean = None if scene.pixels is None else base.latents(encoded(base, scene.pixels))


def _seed(run: Run) -> int:
    """Of the picture that is painted."""
    seed = run.plan.request.seed
    assert seed is not None
    return seed + run.picture


def _refiner(path: Path, base: Model) -> Model:
    name = str(base.dtype).removeprefix("torch.")
    return load(path, device=str(base.device), dtype=name)


def _picture(run: Run, picture: int) -> Iterator[Event]:
    """One picture, in as many stages as its plan has."""
    run.picture = picture
    if run.plan.stages is None:
        full = run.plan.request
        assert full.size is not None
        # choices in braces fall differently for every seed, and so does noise on what is shown
        noisy = run.varied is not None or full.reference is not None
        if picture and (noisy or spoken(full, picture) != spoken(full, picture - 1)):
            _set(run, run.scene, full.size, view(full.size))
        image = yield from _painted(run, picture)
    else:
        image = yield from _edited(run, picture, run.plan.stages)
    run.images.append(image)
    yield Painted(picture, image, _alone(run.plan.request, picture))


def _edited(run: Run, picture: int, stages: tuple[Stage, ...]) -> Generator[Event, None, Image.Image]:
    """The source with every stage painted into it, each on what the one before left."""
    assert run.original is not None
    assert run.plan.request.source is not None
    pixels, side = run.original.pixels, run.models["base"].factor
    whole = (pixels.shape[1], pixels.shape[0])
    for turn, stage in enumerate(stages):
        canvas = prepared(pixels, stage, run.plan.request.source, run.original.mask)
        hole = torch.from_numpy(canvas.hole / 255.0).float()[None, None]
        latent = (stage.size[1] // side, stage.size[0] // side)
        _set(run, Scene(latent, as_pixels(canvas.shown), hole, turn), stage.size, view(whole, stages, turn))
        painting = yield from _painted(run, picture)
        pixels = canvas.painted(painting)
    if not stages:
        run.notes.append("nothing was painted: the mask is empty")
    return Image.fromarray(pixels)


def _painted(run: Run, picture: int) -> Generator[Event, None, Image.Image]:
    """One painting of the scene; where numbers overflow, once more in float32."""
    done = run.done
    try:
        latents = yield from _denoised(run, picture)
    except NotFinite:
        run.done = done
        run.notes.append("painted in float32: narrower numbers overflowed")
        latents = yield from _denoised(run, picture, wide=True)
    image, notes = decoded(run.models["base"], latents, whole=run.plan.request.seamless is not None)
    run.notes.extend(notes)
    return image


def _denoised(run: Run, picture: int, *, wide: bool = False) -> Generator[Event, None, Latents]:
    """All passes of one picture; returns its clean latents."""
    base = run.models["base"]
    noise = _noise(run, picture, base)
    x = _first(run, picture, noise) * run.plan.passes[0].sigmas[0]
    if run.clean is not None:
        x = x + _before(run, run.clean, noise)
    for each in run.plan.passes:
        model = run.models[each.model]
        with widened(model.denoiser.network) if wide else nullcontext():
            dtype = torch.float32 if wide else model.denoiser.dtype
            acting = (*model.denoiser.controls, *run.controls.get(each.model, ()))
            denoiser = replace(model.denoiser, dtype=dtype, controls=acting)
            guided = guide(denoiser, each, run.conditions[each.model], _place(run, model))
            denoise = _held(run, guided)
            x = yield from _steps(run, each, picture, denoise, (x, noise))
    return x


def _noise(run: Run, picture: int, model: Model) -> Noise:
    """The random stream of one picture: its own seed, whatever else is painted beside it."""
    full = run.plan.request
    assert full.seed is not None
    return _stream(run, full.seed + picture, model, run.scene.latent)


def _stream(run: Run, seed: int, model: Model, latent: tuple[int, int]) -> Noise:
    shape = (model.identity.latent_channels, *latent)
    # later stages get other noise, or every strip of a border would have the same pattern
    turned = (seed + run.scene.turn * TURN) % 2**64
    return SeededNoise((turned,), shape, run.plan.sigmas, stream=run.plan.request.noise, device=model.device)


def _first(run: Run, picture: int, noise: Noise) -> Latents:
    """The noise a picture starts from: its seed's own, or kin of it."""
    full, base = run.plan.request, run.models["base"]
    assert full.seed is not None
    latent = run.scene.latent
    if full.noise_size is not None:
        latent = (full.noise_size[1] // base.factor, full.noise_size[0] // base.factor)
    drawn = noise.draw()
    first = drawn if latent == run.scene.latent else _stream(run, full.seed + picture, base, latent).draw()
    if full.variation is not None:
        other = _stream(run, full.variation.seed, base, latent).draw()
        first = slerp(first, other, full.variation.strength)
    return first if latent == run.scene.latent else centred(first, drawn)


def _before(run: Run, clean: Latents, noise: Noise) -> Latents:
    """What lies beneath the first noise: the source, except where painting starts from less."""
    source = run.plan.request.source
    assert source is not None
    cells = run.scene.cells
    shares = torch.ones_like(clean[:, :1]) if cells is None else cells.to(clean)
    if source.strength == 1.0 and run.plan.sigmas[0] >= WHOLE * run.models["base"].denoiser.levels.sigma_max:
        return torch.where(shares >= 1, 0.0, clean) if source.hold else torch.zeros_like(clean)
    match source.fill:
        case "noise":
            return clean + shares * (noise.draw() - clean)
        case "nothing":
            return clean * (1.0 - shares)
        case _:
            return clean


def _held(run: Run, denoise: Denoise) -> Denoise:
    """The same denoiser, which knows what the mask keeps."""
    source, cells = run.plan.request.source, run.scene.cells
    if source is None or cells is None or run.clean is None or not source.hold:
        return denoise
    return held(denoise, run.clean, cells.to(run.clean), run.plan.sigmas)


def _place(run: Run, model: Model) -> Place:
    """Where on the canvas this model's estimates are made and count."""
    full, side = run.plan.request, model.factor
    found = region_maps(full, run.scene.latent)
    maps = None if found is None else tuple(each.to(model.device) for each in found)
    if full.windows is None:
        return Place(maps)
    width, height = full.windows.size or model.identity.facts.defaults.size
    return Place(maps, (height // side, width // side), full.windows.overlap // side)


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
    return spoken(full, picture).model_copy(update={"seed": full.seed + picture, "count": 1})
