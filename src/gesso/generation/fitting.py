"""Fitting: the adapters a request names, on its models for as long as the run lasts."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from gesso.adapters.blocks import Strength, block_weights
from gesso.adapters.course import Course, OverRun, controlled
from gesso.adapters.hypernetwork import Hypernetwork, is_hypernetwork, open_hypernetwork
from gesso.adapters.lora import Lora, open_lora
from gesso.adapters.site import Target
from gesso.adapters.words import open_words
from gesso.annotators.network import network_options
from gesso.annotators.table import annotator
from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.hashes import sha256
from gesso.control.base import Base
from gesso.control.file import open_control
from gesso.control.load import check_kind
from gesso.errors import AdapterError
from gesso.families.identify import identify
from gesso.generation.controlling import MARKED
from gesso.generation.image_prompts import check_image_prompts
from gesso.generation.library import furnished, placed
from gesso.generation.wording import spoken
from gesso.model import Model, builtin
from gesso.request import ControlUse, EmbeddingUse, LoraUse, Request
from gesso.sampling.levels import Sigmas

__all__ = ["Fitting", "check"]


class Fitting(ExitStack):
    """Adapters on models; leaving it takes them off.

    It also keeps `notes`, what was left out or did not apply.
    """

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def put(self, models: Mapping[str, Model], request: Request, sigmas: Sigmas = ()) -> Request:
        """Put a request's adapters on; returns the request with what was found out about their files.

        Args:
            models: "base", and "refiner" where there is one; an adapter must fit one of them.
            sigmas: noise levels of the whole run, in which a file's start and end are shares.

        Raises:
            AdapterError: a file cannot be used, or is not the one the request was made with.
        """
        if not request.loras and not request.embeddings:
            return request
        targets = {name: Target.of(model) for name, model in models.items()}
        uses: list[LoraUse] = []
        for use in request.loras:
            digest = _same_file(use.file, use.sha256)
            if is_hypernetwork(Checkpoint.open(use.file)):
                self._put_hypernetwork(use, models["base"], targets["base"], sigmas)
                uses.append(use.model_copy(update={"sha256": digest}))
                continue
            fitting = _fitting(use, targets, self.notes)
            for name, lora in fitting.items():
                self._put_lora(use, lora.at(_strength(use, targets[name])), models[name], sigmas)
            first = next(iter(fitting.values()))
            uses.append(use.model_copy(update={"sha256": digest, "applied": len(first.patches)}))
        words = tuple(self._put_words(use, models, targets) for use in request.embeddings)
        return request.model_copy(update={"loras": tuple(uses), "embeddings": words})

    def _put_hypernetwork(self, use: LoraUse, model: Model, target: Target, sigmas: Sigmas) -> None:
        ready = _hypernetwork(use, target).prepared(model)
        course = Course(use.start, use.end, use.curve)
        always = course.constant
        self.enter_context(ready.on() if always else controlled(model, OverRun(ready, course, sigmas)))

    def _put_lora(self, use: LoraUse, lora: Lora, model: Model, sigmas: Sigmas) -> None:
        course = Course(use.start, use.end, use.curve)
        if course.constant:
            self.enter_context(lora.attached(model))
            return
        # words are read once, before the run: a course is for the network that removes the noise
        self.enter_context(lora.at(replace(lora.strength, unet=0.0)).attached(model))
        changing = lora.at(replace(lora.strength, text=0.0)).prepared(model)
        self.enter_context(controlled(model, OverRun(changing, course, sigmas)))

    def _put_words(
        self, use: EmbeddingUse, models: Mapping[str, Model], targets: Mapping[str, Target]
    ) -> EmbeddingUse:
        digest = _same_file(use.file, use.sha256)
        refusals: list[AdapterError] = []
        for name, target in targets.items():
            try:
                words = open_words(use.file, target)
            except AdapterError as error:
                refusals.append(error)
                self.notes.append(f"{use.file.name}: not known to the {name}, {target.name}")
            else:
                self.enter_context(words.attached(models[name]))
        if len(refusals) == len(targets):
            raise refusals[0]
        return use.model_copy(update={"sha256": digest})


def check(request: Request, checkpoint: Path | None, *, ema: bool = False) -> None:
    """Refuse, from headers alone, a request whose adapters cannot fit a checkpoint.

    What needs other files, such as a refiner or a lender, is left to `Fitting`.

    Args:
        checkpoint: the file; None for the built-in checkpoint.
        ema: whether its averaged weights will be used.

    Raises:
        AdapterError: a file cannot be used.
    """
    told = spoken(request)
    if (told.prompt, told.negative) == (request.prompt, request.negative):
        request = furnished(request)
    request = placed(request)
    if not (request.loras or request.embeddings or request.image_prompts or request.controls):
        return
    identity = identify(Checkpoint.open(checkpoint or builtin()), ema=ema)
    if request.refiner is not None or identity.missing:
        return
    target = Target.of_file(identity)
    for use in request.loras:
        if is_hypernetwork(Checkpoint.open(use.file)):
            _hypernetwork(use, target)
        else:
            open_lora(use.file, target, lenient=use.lenient)
    for use in request.embeddings:
        open_words(use.file, target)
    if identity.variant.shown != "image_prompts":
        check_image_prompts(request, target)
    for each in request.controls:
        _check_annotator(each)
        check_kind(open_control(each.model, Base.of_file(identity)), each.kind)


def _check_annotator(use: ControlUse) -> None:
    if use.annotator_file is not None:
        network_options(use.annotator_options)
    elif use.annotator not in {None, MARKED}:
        annotator(str(use.annotator), use.annotator_options)


def _same_file(path: Path, wanted: str | None) -> str:
    digest = sha256(path)
    if wanted not in {None, digest}:
        raise AdapterError(
            f"{path} must be the file the request was made with, however: its hash differs",
            hint=f"wanted: sha256 {wanted}",
        )
    return digest


def _fitting(use: LoraUse, targets: Mapping[str, Target], notes: list[str]) -> dict[str, Lora]:
    """The file as it fits each model; one that it does not fit is noted, unless it fits none."""
    found: dict[str, Lora] = {}
    refusals: dict[str, AdapterError] = {}
    for name, target in targets.items():
        try:
            found[name] = open_lora(use.file, target, lenient=use.lenient)
        except AdapterError as error:
            refusals[name] = error
            notes.append(f"{use.file.name}: 0 modules apply to the {name}, {target.name}")
    if not found:
        raise next(iter(refusals.values()))
    notes.extend(_told(use, name, lora) for name, lora in found.items() if lora.left_out)
    return found


def _hypernetwork(use: LoraUse, target: Target) -> Hypernetwork:
    if use.text_weight is not None or use.blocks is not None:
        raise AdapterError(
            f"{use.file.name} must act on all of the network alike, as hypernetworks do, however: it has a "
            f"weight for text or for blocks"
        )
    return open_hypernetwork(use.file, target).at(use.weight)


def _told(use: LoraUse, name: str, lora: Lora) -> str:
    first, reason = next(iter(lora.left_out.items()))
    return (
        f"{use.file.name}: {len(lora.patches)} of {lora.modules} modules apply to the {name}; left out: "
        f"{len(lora.left_out)}, such as {first}: {reason}"
    )


def _strength(use: LoraUse, target: Target) -> Strength:
    blocks = {} if use.blocks is None else block_weights(use.blocks, target)
    return Strength(use.weight, use.weight if use.text_weight is None else use.text_weight, blocks)
