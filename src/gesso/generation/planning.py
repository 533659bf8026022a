"""Planning: what a request comes to on a loaded model, with all that follows on its pictures."""

import secrets
from dataclasses import replace
from functools import partial
from pathlib import Path

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.hashes import sha256
from gesso.errors import RequestError
from gesso.families.facts import called
from gesso.families.few_steps import few_steps
from gesso.families.identify import Identity
from gesso.generation.editing import surveyed
from gesso.generation.enlarging import check_upscaler
from gesso.generation.fitting import check
from gesso.generation.following import followed
from gesso.generation.library import furnished
from gesso.generation.plan import Plan, plan, resolved
from gesso.generation.pricing import seconds
from gesso.generation.regions import named_regions
from gesso.generation.within import fitted
from gesso.model import Model, load
from gesso.request import FollowUp, Request
from gesso.runtime.memory import held
from gesso.runtime.profile import profile_file, read

__all__ = ["beside", "make_plan", "outlines"]

Size = tuple[int, int]


def make_plan(model: Model, request: Request) -> Plan:
    """What the request comes to on this model, and all that is done to its pictures afterwards.

    Args:
        model: it needs no weights.

    Raises:
        RequestError: the request, or what follows on it, contradicts itself or does not suit its model, or
            cannot end in the time that it is given.
        AdapterError: an adapter that follows does not fit its model.
        CheckpointError: the file of a model that follows cannot be used.
    """
    if request.within is None:
        return _made(model, request)
    points = read(profile_file())

    def price(whole: Plan) -> float:
        models = (model, *outlines(model, request))
        return sum(seconds(each, part, points) for each, part in zip(models, whole.chain, strict=True))

    return fitted(request, model.identity, partial(_made, model), price)


def _made(model: Model, request: Request) -> Plan:
    """The plan of a request that may take its time."""
    first = _planned(model, request.model_copy(update={"then": ()}), None)
    then: list[Plan] = []
    told: list[FollowUp] = []
    canvas = first.canvas
    for turn, (follow, other) in enumerate(zip(request.then, outlines(model, request), strict=True), 1):
        base = first.request.model_copy(update={"library": request.library})
        each = _planned(other, followed(base, follow, turn), canvas)
        # a request's own adapters are refused as it starts; these would be only once it is painted
        check(each.request, other.path, ema=other.origins.ema)
        canvas = each.canvas
        then.append(each)
        told.append(_named(follow))
    full = first.request.model_copy(update={"then": tuple(told)})
    return replace(first, request=full, then=tuple(then))


def outlines(model: Model, request: Request) -> list[Model]:
    """The model of each thing that follows, without weights where it is another file."""
    found: dict[Path | None, Model] = {None: model}
    for each in request.then:
        if each.model not in found:
            assert each.model is not None
            found[each.model] = beside(each.model, model, weights=False)
    return [found[each.model] for each in request.then]


def beside(path: Path, model: Model, *, weights: bool = True) -> Model:
    """Another checkpoint, in the same place and numbers as a model."""
    name = str(model.dtype).removeprefix("torch.")
    room = None if model.memory is None else model.memory + held(model.device)
    return load(
        path,
        device=str(model.device),
        dtype=name,
        kernels=model.kernels,
        quantize=model.quantize,
        weights=weights,
        memory=room,
    )


def _planned(model: Model, request: Request, before: Size | None) -> Plan:
    named, seen = surveyed(named_regions(request), before)
    source = named.source
    if source is not None:
        told = source.model_copy(update={"upscaler_sha256": check_upscaler(source)})
        named = named.model_copy(update={"source": told})
    # the seed decides what choices in braces name, and what is named decides what is still open
    seed = secrets.randbelow(2**32) if named.seed is None else named.seed
    named = furnished(named.model_copy(update={"seed": seed}))
    identity = _distilled(model.identity, named)
    full = resolved(named, identity, model.factor, seen)
    return plan(full, identity, model.denoiser.levels, model.factor, seen)


def _distilled(identity: Identity, request: Request) -> Identity:
    """The identity with the defaults of a LoRA that has the model paint in few steps."""
    kind = few_steps(name for use in request.loras if use.weight for name in _names(use.file))
    if kind is None:
        return identity
    return replace(identity, facts=replace(identity.facts, defaults=kind.over(identity.facts.defaults)))


def _names(path: Path) -> tuple[str, ...]:
    """What an adapter's file is called: by its name, and inside where nothing has to be unpacked for it."""
    readable = path.suffix == ".safetensors" and path.is_file()
    return called(Checkpoint.open(path)) if readable else (path.stem,)


def _named(follow: FollowUp) -> FollowUp:
    """A follow-up with its checkpoint known by its hash."""
    if follow.model is None:
        return follow
    digest = sha256(follow.model)
    if follow.model_sha256 not in {None, digest}:
        raise RequestError(
            f"then.model must be the file that the request was made for, however: {follow.model} has changed",
            hint=f"wanted: sha256 {follow.model_sha256}",
        )
    return follow.model_copy(update={"model_sha256": digest})
