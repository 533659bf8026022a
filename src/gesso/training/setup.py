"""The set-up of a run: a recipe becomes a model, a subject, pictures and a lesson, or is refused."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch

from gesso.errors import RequestError, Unsupported
from gesso.model import Model, load
from gesso.runtime.device import choose_device, choose_dtype
from gesso.sampling.levels import TrainedLevels
from gesso.training.board import must_be_there
from gesso.training.compiled import compiled
from gesso.training.data.album import Album
from gesso.training.data.audit import Audit, audited
from gesso.training.data.latents import Latents
from gesso.training.data.pictures import gathered
from gesso.training.data.store import Store
from gesso.training.holes import fills, widen
from gesso.training.lesson import Decoding, Lesson, Painting, Recoding
from gesso.training.objective import Objective
from gesso.training.recipe import Training
from gesso.training.recomputing import recomputing
from gesso.training.subjects.base import Saving, Subject
from gesso.training.subjects.table import subject_of, trains_text
from gesso.training.subjects.tiny import Tiny
from gesso.training.telling import Telling

__all__ = ["Ready", "Setup", "opened", "saving"]

PREDICTIONS = frozenset({"epsilon", "v", "x0"})


@dataclass(frozen=True)
class Setup:
    """A recipe with its model loaded, before any picture was looked at.

    Args:
        recipe: with nothing left open that the model decides.
        telling: how captions are cut and kept.
    """

    recipe: Training
    model: Model
    telling: Telling
    latents: Latents

    def audit(self) -> Iterator[Audit]:
        """Look at every picture; the audit so far after each.

        Raises:
            RequestError: pictures are not what they must be.
        """
        pictures = gathered(self.recipe.data, self.recipe.captions)
        yield from audited(pictures, self.recipe, self.latents, self.telling)

    def subject(self) -> Subject:
        """What is trained, at its beginning."""
        if self.recipe.subject.inpainting and not fills(self.model):
            widen(self.model)
        return subject_of(self.recipe, self.model)

    def ready(self, audit: Audit) -> "Ready":
        """All that the run needs."""
        subject = self.subject()
        telling = replace(self.telling, store=None) if trains_text(self.recipe) else self.telling
        album = Album(audit.of("train", "prior"), self.recipe, self.latents, telling)
        if not album.entries:
            raise RequestError("some pictures must be learnt, however: all of them are kept back")
        mixed = _mixed(self.recipe, self.model)
        if self.recipe.subject.kind == "autoencoder":
            lesson: Lesson = Recoding(self.model, self.model.vae.decode, mixed)
        elif isinstance(subject, Tiny):
            lesson = Decoding(self.model, subject.decode, _narrow(self.recipe))
        elif self.recipe.subject.kind == "decoder":
            lesson = Decoding(self.model, self.model.vae.decode, mixed)
        else:
            unet = compiled(self.model.networks["unet"]) if self.recipe.compiled else None
            lesson = Painting(self.model, subject, telling, _objective(self.recipe, self.model), mixed, unet)
        return Ready(self, subject, album, lesson, audit)


@dataclass(frozen=True)
class Ready:
    """A run before its first step."""

    setup: Setup
    subject: Subject
    album: Album
    lesson: Lesson
    audit: Audit

    def with_recipe(self, changes: Mapping[str, object]) -> "Ready":
        """The same, where the recipe says other things that the subject does not depend on."""
        return replace(self, setup=replace(self.setup, recipe=self.setup.recipe.model_copy(update=changes)))

    @contextmanager
    def learning(self) -> Generator[None]:
        """The subject acts in the model, and as little is kept for the way back as the recipe says."""
        modules = (*self.setup.model.networks.values(), *self.subject.module.children())
        with self.subject.learning(), recomputing(modules, self.setup.recipe.recompute):
            yield


def opened(recipe: Training) -> Setup:
    """Load a recipe's model and complete the recipe.

    Raises:
        RequestError: the recipe contradicts itself or does not suit the model.
    """
    device = choose_device(recipe.device)
    narrow = choose_dtype(recipe.dtype, device)
    narrow = torch.bfloat16 if narrow is torch.float16 else narrow
    # what is trained whole is loaded whole: narrower weights could not take in small steps
    kept = getattr(torch, recipe.run.weights) if recipe.subject.whole else narrow
    model = load(recipe.model, device=str(device), dtype=_name(kept), quantize=recipe.quantize)
    full = recipe.model_copy(
        update={
            "size": recipe.size or model.identity.facts.defaults.size,
            "device": str(device),
            "dtype": _name(narrow),
            "objective": recipe.objective.model_copy(
                update={"prediction": recipe.objective.prediction or model.identity.facts.prediction.value}
            ),
        }
    )
    _check(full, model)
    store = Store(full.store)
    telling = Telling(model, full.captions.windows, full.clip_skip, store)
    return Setup(full, model, telling, Latents(model, store))


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _mixed(recipe: Training, model: Model) -> torch.dtype | None:
    """The type that float32 weights compute in, where that is another."""
    return _narrow(recipe) if model.dtype is torch.float32 else None


def _narrow(recipe: Training) -> torch.dtype | None:
    wanted = getattr(torch, recipe.dtype)
    return None if wanted is torch.float32 else wanted


def _check_running(recipe: Training) -> None:
    """Refuse ways of running that do not suit what is trained."""
    if recipe.tensorboard:
        must_be_there()
    if recipe.run.weights != "float32" and not recipe.subject.whole:
        raise RequestError(
            f"run.weights must be float32 where little is trained, however: {recipe.run.weights} with "
            f"{recipe.subject.kind}"
        )
    if recipe.run.shard and not recipe.subject.whole:
        raise RequestError(
            f"run.shard must come with networks that are trained whole, however: {recipe.subject.kind} is "
            "small, and every process keeps all of it"
        )
    if recipe.run.shard and recipe.compiled:
        raise RequestError("run.shard must come without compiled, however: the recipe asks for both")


def _check(recipe: Training, model: Model) -> None:
    """Refuse what cannot work together, before anything runs."""
    _check_running(recipe)
    facts = model.identity.facts
    own, asked = facts.prediction.value, recipe.objective.prediction
    if not isinstance(model.denoiser.levels, TrainedLevels) or asked not in PREDICTIONS:
        raise Unsupported(
            f"training must know the noise levels by whole times, however: {model.identity.name} is trained "
            f"on {facts.levels.value} levels and names {own}"
        )
    if asked != own and recipe.subject.kind != "full":
        raise RequestError(
            f"only a full training may change what the network names, however: it names {own}, "
            f"the recipe says {asked}, and trains {recipe.subject.kind}"
        )
    if recipe.objective.noise.zero_terminal_snr and recipe.subject.kind != "full":
        raise RequestError(
            "only a full training may change the noise levels, however: the recipe asks for zero terminal "
            f"SNR and trains {recipe.subject.kind}"
        )
    if model.identity.variant.name not in {"base", "inpainting"} and not recipe.subject.of_pixels:
        raise Unsupported(
            f"training must know what is shown beside the latents, however: {model.identity.name} is not "
            "trained yet"
        )
    assert recipe.size is not None
    step = recipe.buckets.steps(recipe.size)
    if step % model.vae.factor:
        raise RequestError(
            f"buckets.step must be a multiple of {model.vae.factor} pixels, a latent cell of this model, "
            f"however: {step}"
        )
    control = recipe.subject.kind == "control"
    hints = [each.hints is not None for each in recipe.data]
    if control and not all(hints):
        raise RequestError("every set must have hints for a ControlNet, however: some have none (data.hints)")


def _objective(recipe: Training, model: Model) -> Objective:
    levels = cast(TrainedLevels, model.denoiser.levels)
    if recipe.objective.noise.zero_terminal_snr and model.identity.facts.levels.value != "zero terminal SNR":
        levels = levels.zero_terminal_snr()
    alphas = torch.tensor(levels.alphas_cumprod, dtype=torch.float32, device=model.device)
    prediction = cast(Literal["epsilon", "v", "x0"], recipe.objective.prediction)
    return Objective(alphas, prediction, recipe.objective)


def saving(recipe: Training, step: int) -> Saving:
    """How a file of this run is written after a step: the same bytes whenever it is written."""
    says = recipe.model_dump_json(exclude={"device", "out", "cache"})
    metadata = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.title": recipe.title,
        "gesso.training": says,
        "ss_steps": str(step),
        "ss_output_name": recipe.title,
        "ss_seed": str(recipe.run.seed),
    }
    markers: tuple[str, ...] = ()
    if recipe.subject.kind == "full":
        metadata["modelspec.prediction_type"] = str(recipe.objective.prediction)
        if recipe.objective.noise.zero_terminal_snr:
            markers = ("ztsnr", *(("v_pred",) if recipe.objective.prediction == "v" else ()))
    dtype = None if recipe.save_dtype is None else getattr(torch, recipe.save_dtype)
    return Saving(metadata, dtype, markers)
