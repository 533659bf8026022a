"""Generate: the one loop that turns a request into pictures."""

from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from gesso.errors import NotFinite
from gesso.generation.canvas import Stage
from gesso.generation.controlling import view
from gesso.generation.cost import Meter, inner_work, work
from gesso.generation.editing import prepared
from gesso.generation.events import Event, Finished, Followed, Painted, Planned, Stepped
from gesso.generation.first_noise import beneath, first, noise_of
from gesso.generation.fitting import Fitting
from gesso.generation.following import alone, recorded
from gesso.generation.guiding import Place, guide
from gesso.generation.latents import Scene, as_pixels, decoded, preview, widened
from gesso.generation.passes import Pass
from gesso.generation.plan import Plan
from gesso.generation.planning import beside, make_plan
from gesso.generation.pricing import ceiling
from gesso.generation.regions import region_maps
from gesso.generation.result import Result
from gesso.generation.shortening import shortened
from gesso.generation.starting import Painting, Run, original, put, resized, shown, start
from gesso.generation.wording import spoken
from gesso.guidance.masking import held
from gesso.model import Model
from gesso.request import Request
from gesso.runtime.memory import memory_errors
from gesso.runtime.profile import profile_file, read
from gesso.sampling.samplers import Denoise, Noise, sampler

__all__ = ["generate", "paint"]

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


@torch.inference_mode()
def generate(model: Model, request: Request) -> Iterator[Event]:
    """Paint a request's pictures one after another, and then what follows on them, telling what happens.

    Closing the iterator cancels within a step. One picture at a time, so that picture i is, to the bit, the
    one that seed + i gives alone. What follows is done to all pictures in turn, so that each model is loaded
    and each adapter put on once.

    Raises:
        RequestError: the request contradicts itself or does not suit the model.
        AdapterError: an adapter does not fit the model.
        CheckpointError: the file of a model that follows cannot be used.
        ResourceError: not enough memory, or numbers that overflow in every type.
    """
    top = ceiling(model, read(profile_file()))
    meter = Meter(model.device, top)
    with memory_errors("painting"):
        chain = Chain(make_plan(model, request), top)
        for turn, each in enumerate(chain.plan.chain):
            yield from _carried_out(chain, turn, each, _model(chain, turn, model))
        images = tuple(each.image for each in chain.before)
        solo = tuple(alone(chain.full, picture) for picture in range(chain.full.count))
        cost = meter.cost(chain.tflop)
        yield Finished(Result(images, solo, cost.seconds, tuple(dict.fromkeys(chain.notes)), cost))


class Chain:
    """A request and what follows on it, while they are carried out.

    Args:
        plan: of all of it.
        ceiling: what this machine reaches, for what each picture took.
    """

    def __init__(self, plan: Plan, ceiling: float | None) -> None:
        self.plan = plan
        self.ceiling = ceiling
        self.full = plan.request
        self.before: list[Painting] = []
        self.other: Model | None = None
        self.notes: list[str] = []
        self.done = 0
        self.tflop = 0.0
        self.spared = 0.0

    def learnt(self, turn: int, request: Request) -> None:
        """Keep what was found out about the files of the request, or of what follows on it."""
        if turn == 0:
            self.full = request.model_copy(update={"then": self.full.then})
            return
        follow = recorded(self.full, self.full.then[turn - 1], request, turn)
        then = (*self.full.then[: turn - 1], follow, *self.full.then[turn:])
        self.full = self.full.model_copy(update={"then": then})


def _model(chain: Chain, turn: int, model: Model) -> Model:
    """The model of the request, or of what follows on it; one beside the first is kept at a time."""
    path = chain.full.then[turn - 1].model if turn else None
    if path is None or path == model.path:
        return model
    if chain.other is None or chain.other.path != path:
        chain.other = None
        chain.other = beside(path, model)
    return chain.other


def _carried_out(chain: Chain, turn: int, plan: Plan, model: Model) -> Iterator[Event]:
    """The request, or one thing that follows on it, for all pictures."""
    with Fitting() as fitting:
        run = start(plan, model, fitting, tuple(chain.before))
        chain.learnt(turn, run.plan.request)
        given = (*plan.traded, *(note for each in run.spending.values() for note in each.traded))
        chain.notes.extend((*fitting.notes, *given))
        if turn == 0:
            yield Planned(replace(chain.plan, request=chain.full), given)
        tflop = work(model, plan) / plan.request.count if plan.passes else 0.0
        for picture in range(plan.request.count):
            meter = Meter(model.device, chain.ceiling)
            run.picture = picture
            chain.spared = 0.0
            painting = yield from _picture(chain, run)
            run.paintings.append(painting)
            done = chain.full.model_copy(update={"then": chain.full.then[:turn]})
            told = Painted if turn == len(chain.plan.then) else Followed
            spent = tflop - chain.spared
            chain.tflop += spent
            yield told(picture, painting.image, alone(done, picture), meter.cost(spent))
    chain.before = run.paintings


def _picture(chain: Chain, run: Run) -> Generator[Event, None, Painting]:
    """One picture, in as many stages as its plan has."""
    if not run.plan.passes:
        return Painting(resized(run))
    if run.plan.stages is not None:
        image = yield from _edited(chain, run, run.plan.stages)
        return Painting(image)
    full, picture = run.plan.request, run.picture
    # choices in braces fall differently for every seed, and so does noise on what is shown
    noisy = run.varied is not None or full.reference is not None
    if picture and (run.before or noisy or spoken(full, picture) != spoken(full, picture - 1)):
        shown(run)
    return (yield from _painted(chain, run))


def _edited(chain: Chain, run: Run, stages: tuple[Stage, ...]) -> Generator[Event, None, Image.Image]:
    """The source with every stage painted into it, each on what the one before left."""
    before, source, side = original(run), run.plan.request.source, run.models["base"].factor
    assert source is not None
    pixels = before.pixels
    whole = (pixels.shape[1], pixels.shape[0])
    for turn, stage in enumerate(stages):
        canvas = prepared(pixels, stage, source, before.mask)
        hole = torch.from_numpy(canvas.hole / 255.0).float()[None, None]
        latent = (stage.size[1] // side, stage.size[0] // side)
        put(run, Scene(latent, as_pixels(canvas.shown), hole, turn), stage.size, view(whole, stages, turn))
        painting = yield from _painted(chain, run)
        pixels = canvas.painted(painting.image)
    if not stages:
        chain.notes.append("nothing was painted: the mask is empty")
    return Image.fromarray(pixels)


def _painted(chain: Chain, run: Run) -> Generator[Event, None, Painting]:
    """One painting of the scene; where numbers overflow, once more in float32."""
    done = chain.done
    try:
        latents = yield from _denoised(chain, run)
    except NotFinite:
        chain.done = done
        chain.notes.append("painted in float32: narrower numbers overflowed")
        latents = yield from _denoised(chain, run, wide=True)
    image, notes = decoded(run.models["base"], latents, whole=run.plan.request.seamless is not None)
    chain.notes.extend(notes)
    return Painting(image, latents, run.models["base"].identity.facts.latent)


def _denoised(chain: Chain, run: Run, *, wide: bool = False) -> Generator[Event, None, Latents]:
    """All passes of one picture; returns its clean latents."""
    base = run.models["base"]
    noise = noise_of(run, run.picture, base)
    x = first(run, run.picture, noise) * run.plan.passes[0].sigmas[0]
    if run.clean is not None:
        x = x + beneath(run, run.clean, noise)
    for each in run.plan.passes:
        model = run.models[each.model]
        with widened(model.denoiser.network) if wide else nullcontext():
            dtype = torch.float32 if wide else model.denoiser.dtype
            short = shortened(model.denoiser.network, each)
            acting = (*short.controls, *model.denoiser.controls, *run.controls.get(each.model, ()))
            denoiser = replace(model.denoiser, dtype=dtype, controls=acting)
            guided = guide(denoiser, each, run.conditions[each.model], _place(run, model))
            denoise = _held(run, guided)
            with run.spending[each.model].at_work(), denoiser.steady():
                x = yield from _steps(chain, run, each, denoise, (x, noise))
            chain.notes.extend(short.notes)
            chain.spared += short.spared * inner_work(model, run.plan)
    return x


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
    chain: Chain, run: Run, each: Pass, denoise: Denoise, begin: tuple[Latents, Noise]
) -> Generator[Event, None, Latents]:
    """One pass over its noise levels; returns where it stopped."""
    x, noise = begin
    for step in sampler(each.sampler, each.options)(denoise, x, each.sigmas, noise):
        if not torch.isfinite(step.x).all():
            raise NotFinite(f"latents must be finite, however: they overflow at sigma {step.sigma:.3f}")
        x = step.x
        chain.done += 1
        look = partial(preview, run.models["base"], step.denoised)
        yield Stepped(run.picture, chain.done, chain.plan.steps, step, look)
    return x
