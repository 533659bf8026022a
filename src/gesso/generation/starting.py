"""Starting: one request put before its models, ready to be painted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from gesso.denoiser import Control
from gesso.families.facts import LatentSpace
from gesso.generation.conditions import Conditions, conditions
from gesso.generation.controlling import OpenControl, View, open_controls, set_to_work, view
from gesso.generation.depth import depth_map
from gesso.generation.editing import Original, opened, over_white
from gesso.generation.enlarging import cropped, enlarged, enlarged_latents
from gesso.generation.fitting import Fitting
from gesso.generation.image_prompts import image_prompts, named_image_prompts
from gesso.generation.large import fits
from gesso.generation.latents import Scene, as_pixels, encoded
from gesso.generation.plan import LATENT, Plan
from gesso.generation.planning import beside
from gesso.generation.referring import referring
from gesso.generation.shown import named_shown
from gesso.generation.spending import Spending, spending
from gesso.generation.variations import Varied, varied
from gesso.generation.wording import spoken
from gesso.model import Model
from gesso.networks.seamless import seamless
from gesso.runtime.heap import kept
from gesso.tuned import tuned
from gesso.tuned_cards import CardTwins

__all__ = ["Painting", "Run", "original", "put", "resized", "shown", "start"]

Latents = Float[Tensor, "1 c h w"]


@dataclass(frozen=True)
class Painting:
    """A finished picture, for what follows on it.

    Args:
        image: the picture.
        latents: what it was decoded from; None where it is more than that.
        space: whose autoencoder's latents they are.
    """

    image: Image.Image
    latents: Latents | None = None
    space: LatentSpace | None = None


@dataclass
class Run:
    """What is known and kept while one request is carried out.

    Args:
        plan: what it comes to.
        models: "base", and "refiner" where there is one.
        before: the pictures that it follows on; none where it follows on none.
        spending: how each model's denoiser is held.
    """

    plan: Plan
    models: dict[str, Model]
    before: Sequence[Painting] = ()
    spending: Mapping[str, Spending] = field(default_factory=dict[str, Spending])
    prompted: tuple[Control, ...] = ()
    opened: tuple[OpenControl, ...] = ()
    varied: Varied | None = None
    controls: Mapping[str, tuple[Control, ...]] = field(init=False)
    scene: Scene = field(init=False)
    conditions: dict[str, tuple[Conditions, ...]] = field(init=False)
    clean: Latents | None = field(init=False)
    paintings: list[Painting] = field(default_factory=list[Painting])
    picture: int = 0


def start(plan: Plan, model: Model, fitting: Fitting, before: Sequence[Painting] = ()) -> Run:
    """Put a planned request's models, adapters and controls together, and its first picture before them.

    Args:
        fitting: holds what is put on the models.
        before: the pictures that it follows on.

    Raises:
        AdapterError: an adapter does not fit the model.
        RequestError: a file of the request is not what it was made for.
    """
    full, models = plan.request, {"base": model}
    if not plan.passes:
        return Run(plan, models, before)
    if model.device.type == "cpu" and model.memory is None and fits(model, plan.latent):
        # where memory is short, what is freed is worth more than the time that it takes
        fitting.enter_context(kept())
    if any(each.model == "refiner" for each in plan.passes):
        assert full.refiner is not None
        models["refiner"] = beside(full.refiner.model, model)
    # before anything is put on them that would be counted along
    spent = {name: spending(each, plan) for name, each in models.items()}
    # before adapters: what a control borrows of the UNet is the checkpoint's own
    controls = open_controls(models, full.controls, fitting.notes)
    if model.kernels == "auto":
        guides = (guide for each in controls for guide in each.guides.values())
        working = {network for each in models.values() for network in _pictured(each)}
        further = {guide.network for guide in guides}
        if model.device.type == "cuda":
            passing = {waits.network for each in models.values() for waits in each.waiting.values()}
            for each in models.values():
                fitting.enter_context(
                    (each.twins or CardTwins()).acting((*_pictured(each), *_texts(each)), passing)
                )
            fitting.enter_context(CardTwins().acting(further))
        else:
            fitting.enter_context(tuned({*working, *further}))
    full = named_shown(named_image_prompts(fitting.put(models, full, plan.sigmas)))
    full = full.model_copy(update={"controls": tuple(each.use for each in controls)})
    if full.seamless is not None:
        for network in {each for model in models.values() for each in _pictured(model)}:
            fitting.enter_context(seamless(network, full.seamless))
    prompted = image_prompts(model, full, plan.sigmas)
    run = Run(replace(plan, request=full), models, before, spent, prompted, controls, varied(model, full))
    if plan.stages is None:
        shown(run)
    return run


def _pictured(model: Model) -> tuple[nn.Module, ...]:
    """The networks whose maps are pictures."""
    return model.denoiser.network, model.encoder, model.decoder


def _texts(model: Model) -> tuple[nn.Module, ...]:
    """The networks that read."""
    return tuple(model.networks[part.name] for part in model.identity.text)


def shown(run: Run) -> None:
    """Put the whole picture before the models."""
    full = run.plan.request
    assert full.size is not None
    scene = Scene(run.plan.latent) if full.source is None else _scene(run)
    put(run, scene, full.size, view(full.size))


def put(run: Run, scene: Scene, size: tuple[int, int], seen: View) -> None:
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
    run.clean = scene.clean
    if scene.clean is None and scene.pixels is not None:
        run.clean = base.latents(encoded(base, scene.pixels))


def _seed(run: Run) -> int:
    """Of the picture that is painted."""
    seed = run.plan.request.seed
    assert seed is not None
    return seed + run.picture


def original(run: Run) -> Original:
    """The picture that is painted over, with its mask."""
    source = run.plan.request.source
    assert source is not None
    before = np.asarray(run.before[run.picture].image) if run.before else None
    return opened(source, before)


def resized(run: Run) -> Image.Image:
    """The picture that is painted over, at the size that it is painted at."""
    full = run.plan.request
    assert full.source is not None
    assert full.size is not None
    picture = Image.fromarray(over_white(original(run).pixels))
    return enlarged(picture, full.size, full.source.upscaler, run.models["base"].device)


def _scene(run: Run) -> Scene:
    source = run.plan.request.source
    assert source is not None
    mode = None if isinstance(source.upscaler, Path) else LATENT.get(source.upscaler)
    clean = None if mode is None else enlarged_latents(_latents(run), run.plan.latent, mode)
    return Scene(run.plan.latent, as_pixels(resized(run)), clean=clean)


def _latents(run: Run) -> Latents:
    """Latents of the picture that is painted over: what it was decoded from, if this model's are alike."""
    base = run.models["base"]
    before = run.before[run.picture] if run.before else None
    if before is not None and before.latents is not None and before.space == base.identity.facts.latent:
        return before.latents
    picture, side = Image.fromarray(over_white(original(run).pixels)), base.factor
    width, height = (max(side, round(length / side) * side) for length in picture.size)
    pixels = as_pixels(cropped(picture, (width, height), Image.Resampling.LANCZOS))
    return base.latents(encoded(base, pixels))
