"""Within a time: the best plan that this machine is known to finish soon enough.

Every way to save is a rung of one ladder, the best picture first. What a request says itself is never
changed; only what it leaves open is chosen. `studies/levers` measures what the rungs cost in quality.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gesso.errors import RequestError, Unsupported
from gesso.families.identify import Identity
from gesso.generation.plan import Plan
from gesso.request import Caching, Request

__all__ = ["LADDER", "Rung", "fitted"]

FEW = 8
"""A model that paints without guidance in no more steps is distilled: it is not asked for fewer."""
EDGE = 1e-9


@dataclass(frozen=True)
class Rung:
    """What is saved.

    Args:
        steps: the most there are.
        aligned: noise levels optimised for few steps, where the model's are those that they were made for.
        interval: shares of the run between which guidance acts.
        every: steps after which inner blocks run again; None for every one.
    """

    steps: int
    aligned: bool = False
    interval: tuple[float, float] = (0.0, 1.0)
    every: int | None = None


LADDER = (
    Rung(20),
    Rung(16, aligned=True),
    Rung(12, aligned=True),
    Rung(10, aligned=True),
    Rung(8, aligned=True),
    Rung(6, aligned=True),
    Rung(5, aligned=True),
    Rung(4, aligned=True),
    Rung(6, aligned=True, every=2),
    Rung(4, aligned=True, interval=(0.0, 0.5)),
    Rung(4, aligned=True, interval=(0.0, 0.5), every=2),
)


def fitted(
    request: Request,
    identity: Identity,
    make: Callable[[Request], Plan],
    price: Callable[[Plan], float],
) -> Plan:
    """The plan of the first rung that ends in time, which says what it gave for that.

    Args:
        request: one with a time.
        make: a request without a time → its plan.
        price: a plan → seconds.

    Raises:
        RequestError: even the last takes longer.
    """
    assert request.within is not None
    asked = request.model_copy(update={"within": None})
    plain = make(asked)
    # what is drawn at random is drawn once
    asked = asked.model_copy(update={"seed": plain.request.seed})
    least = price(plain)
    if least <= request.within:
        return plain
    for rung in _rungs(plain):
        found = _tried(_saving(asked, plain.request, identity, rung), make)
        if found is None:
            continue
        taken = price(found)
        if taken <= request.within + EDGE:
            return replace(found, traded=_traded(plain.request, found.request, taken))
        least = min(least, taken)
    raise RequestError(
        f"a request must be able to end within {request.within:g} s, however: the shortest plan takes about "
        f"{least:.3g} s here",
        hint="a smaller size, fewer pictures, a checkpoint or LoRA of few steps, or a tiny decoder (--vae)",
    )


def _rungs(plain: Plan) -> Iterator[Rung]:
    full = plain.request
    assert full.steps is not None
    distilled = full.cfg == 1.0 and full.steps <= FEW
    return iter(()) if distilled else (each for each in LADDER if each.steps < full.steps)


def _tried(request: Request, make: Callable[[Request], Plan]) -> Plan | None:
    """Its plan; None where what the request says itself cannot go with what is saved."""
    try:
        return make(request)
    except Unsupported:
        return None


def _saving(asked: Request, full: Request, identity: Identity, rung: Rung) -> Request:
    """The request with what it leaves open filled in by a rung.

    Args:
        full: what it comes to without one.
    """
    update: dict[str, object] = {}
    if asked.sigmas is None and asked.steps is None:
        update["steps"] = rung.steps
    trained = identity.facts.levels.value == "trained"
    if rung.aligned and trained and asked.sigmas is None and asked.schedule is None:
        update["schedule"] = "align_your_steps"
    if full.cfg != 1.0 and asked.guidance.interval == (0.0, 1.0):
        update["guidance"] = asked.guidance.model_copy(update={"interval": rung.interval})
    if rung.every is not None and asked.shortcuts.caching is None:
        update["shortcuts"] = asked.shortcuts.model_copy(update={"caching": Caching(every=rung.every)})
    return asked.model_copy(update=update)


def _traded(plain: Request, found: Request, taken: float) -> tuple[str, ...]:
    """What was given for the time, in words."""
    said: list[str] = []
    for name in ("steps", "schedule"):
        before, after = getattr(plain, name), getattr(found, name)
        if before != after:
            said.append(f"{name} {after} instead of {before}")
    if plain.guidance.interval != found.guidance.interval:
        start, stop = found.guidance.interval
        said.append(f"guidance from {start:.0%} to {stop:.0%} of the run")
    caching = found.shortcuts.caching
    if caching is not None and caching != plain.shortcuts.caching:
        said.append(f"inner blocks at every {caching.every} steps")
    return (f"to end in about {taken:.3g} s: {', '.join(said)}",)
