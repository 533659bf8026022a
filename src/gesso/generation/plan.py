"""The Plan: what a request comes to on a given model. Pure, tensor-free, printable."""

import secrets
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import Literal

from gesso.conditioning.dialects import dialect
from gesso.errors import RequestError, Unsupported
from gesso.families.identify import Identity
from gesso.generation.canvas import Growth, Seen, Stage, border_stages, grown, masked_stage
from gesso.generation.passes import NEVER, Pass
from gesso.generation.shortcuts import must_suit
from gesso.generation.showing import must_be_shown, picture_guidance
from gesso.generation.wording import estimates, named_extras, spoken
from gesso.request import Request
from gesso.sampling.levels import NoiseLevels, Sigmas
from gesso.sampling.samplers import options, sampler
from gesso.sampling.schedules import align_your_steps, explicit, schedule

__all__ = ["LATENT", "Plan", "plan", "resolved", "within_steps"]

LARGEST = 16384
"""Pixels along a side."""
LATENT = {"latent": "bilinear", "latent-bicubic": "bicubic", "latent-nearest": "nearest-exact"}
"""Upscalers that enlarge latents, by how torch interpolates."""
EDGE = 1e-9
"""So that a share of the steps that is a whole number of them stays one."""


@dataclass(frozen=True)
class Plan:
    """What a request comes to: the same request with nothing left open, and the passes that carry it out.

    Args:
        request: with every None replaced.
        passes: in order; each goes on from where the one before stopped.
        latent: height and width in latent cells.
        canvas: the finished picture's width and height.
        stages: of an edit, each of which takes all passes; None where the whole picture is painted.
        then: what each thing that is done to a picture afterwards comes to.
        traded: what was given for ending in time.
    """

    request: Request
    passes: tuple[Pass, ...]
    latent: tuple[int, int]
    canvas: tuple[int, int]
    stages: tuple[Stage, ...] | None = None
    then: "tuple[Plan, ...]" = ()
    traded: tuple[str, ...] = ()

    @property
    def sigmas(self) -> Sigmas:
        """The noise levels of the whole run, all passes after one another."""
        return sum((each.sigmas[1:] for each in self.passes[1:]), self.passes[0].sigmas)

    @property
    def chain(self) -> "tuple[Plan, ...]":
        """This plan and what follows on it, in order."""
        return (self, *self.then)

    @property
    def rounds(self) -> int:
        """How often all passes are taken, for all pictures, what follows apart."""
        return self.request.count * (1 if self.stages is None else len(self.stages))

    @property
    def steps(self) -> int:
        """Sampler steps of all pictures, and of all that follows on them."""
        own = self.rounds * sum(each.steps for each in self.passes)
        return own + sum(each.steps for each in self.then)

    @property
    def evaluations(self) -> int:
        """Rows of latents the networks denoise for all pictures, and for all that follows on them."""
        own = self.rounds * sum(each.evaluations for each in self.passes)
        return own + sum(each.evaluations for each in self.then)

    def lines(self) -> tuple[str, ...]:
        """What is done, for reading."""
        own = [each.text() for each in (*(self.stages or ()), *self.passes)]
        if not self.passes:
            own = [f"{self.request.source.upscaler} alone"] if self.request.source else []
        after = [
            f"then at {each.canvas[0]}x{each.canvas[1]}, {line}"
            for each in self.then
            for line in each.lines()
        ]
        return (*own, *after, *self.traded)


def plan(
    request: Request, identity: Identity, levels: NoiseLevels, factor: int, seen: Seen | None = None
) -> Plan:
    """Turn a request into passes over noise levels.

    Args:
        levels: the model's noise levels.
        factor: pixels along the side of a latent cell.
        seen: what is known of the source's files, where a part of it is painted.

    Raises:
        RequestError: the request contradicts itself.
        UnknownName: no such sampler, schedule or option.
    """
    full = resolved(request, identity, factor, seen)
    sigmas = _run(full, _sigmas(full, identity, levels))
    assert full.size is not None
    extras = named_extras(full)
    if extras:
        raise Unsupported(
            f"a prompt must not name what is not attached, however: {', '.join(extras)}",
            hint="name a folder to find it in (--library FOLDER); in a negative it acts on nothing",
        )
    stages = None if seen is None or not _in_parts(full) else _stages(full, seen, factor)
    width, height = stages[0].size if stages else full.size
    canvas = full.size if stages is None or seen is None else grown(seen.size, stages)
    passes = _passes(full, sigmas, levels) if sigmas else ()
    must_suit(full, identity, passes)
    return Plan(full, passes, (height // factor, width // factor), canvas, stages)


def _run(request: Request, sigmas: Sigmas) -> Sigmas:
    """The noise levels that are visited: of a source's strength; none where nothing is painted."""
    if request.source is None:
        return sigmas
    if request.source.strength == 0.0:
        return ()
    kept = max(1, int((len(sigmas) - 1) * request.source.strength))
    return sigmas[len(sigmas) - 1 - kept :]


def _in_parts(request: Request) -> bool:
    """Whether a part of a picture is painted, or around it."""
    source = request.source
    return source is not None and (source.mask is not None or source.extend is not None)


def _stages(request: Request, seen: Seen, factor: int) -> tuple[Stage, ...]:
    """The stretches of an edit: first what the mask says, then the border."""
    source = request.source
    assert source is not None
    assert request.size is not None
    masked: tuple[Stage, ...] = ()
    if seen.painted is not None:
        padding = source.padding if source.only_masked else None
        masked = (masked_stage(seen.painted, seen.size, request.size, factor, padding=padding),)
    if source.extend is None:
        return masked
    extend = source.extend
    growth = Growth(extend.left, extend.up, extend.right, extend.down)
    return masked + border_stages(seen.size, growth, request.size, factor)


def resolved(request: Request, identity: Identity, factor: int, seen: Seen | None = None) -> Request:
    """The request with every None replaced by the model's own choice.

    Args:
        seen: what is known of the source's files.

    Raises:
        RequestError: the size does not fit the model's grid, or fields contradict one another.
    """
    defaults = identity.facts.defaults
    _must_agree(request, identity)
    size = _size(request, defaults.size, factor, seen)
    levels = [sigma for sigma in request.sigmas or () if sigma > 0]
    filled = {
        "size": size,
        "seed": secrets.randbelow(2**32) if request.seed is None else request.seed,
        "steps": len(levels) if levels else request.steps or defaults.steps,
        "sampler": request.sampler or defaults.sampler,
        "schedule": None if levels else request.schedule or defaults.schedule,
        "cfg": defaults.cfg if request.cfg is None else request.cfg,
        "emphasis": request.emphasis or dialect(request.dialect).emphasis,
        "guidance": picture_guidance(request, identity),
    }
    name = request.sampler or defaults.sampler
    sampler(name, request.sampler_options)
    chosen = {option: each.default for option, each in options(name).items()} | request.sampler_options
    return request.model_copy(update={**filled, "sampler_options": chosen})


def _size(request: Request, default: tuple[int, int], factor: int, seen: Seen | None) -> tuple[int, int]:
    """What is painted at: what is asked for, or what a source's enlargement comes to."""
    source = request.source
    plain = source is not None and source.strength == 0.0
    if source is None or source.by is None:
        # what follows on a picture leaves it as large as it is
        kept = source is not None and source.image is None and not _in_parts(request)
        size = request.size or (seen.size if kept and seen is not None else default)
    else:
        assert seen is not None
        grid = 1 if plain else factor
        width, height = (max(grid, round(side * source.by / grid) * grid) for side in seen.size)
        size = (width, height)
        if request.size not in {None, size}:
            raise RequestError(
                f"source.by must come without another size, however: it makes {width}x{height} of the picture"
            )
    if not plain and (size[0] % factor or size[1] % factor):
        raise RequestError(f"width and height must be multiples of {factor}, however: {size[0]}x{size[1]}")
    if max(size) > LARGEST:
        raise RequestError(f"a picture must be at most {LARGEST} wide and high, however: {size[0]}x{size[1]}")
    return size


def _must_agree(request: Request, identity: Identity) -> None:
    must_be_shown(request, identity)
    listed = len([sigma for sigma in request.sigmas or () if sigma > 0])
    # a resolved request states its steps, and must resolve to itself
    if listed and (request.schedule is not None or request.steps not in {None, listed}):
        raise RequestError("sigmas replace schedule and steps, however: both were given")
    start, stop = request.guidance.interval
    if not 0.0 <= start <= stop <= 1.0:
        raise RequestError(f"guidance.interval must rise within 0…1, however: {start} to {stop}")
    _source_must_agree(request)
    parts = _in_parts(request)
    if parts and any(each.mask is not None for each in request.image_prompts):
        raise Unsupported(
            "an image prompt's mask must come with a picture that is painted as a whole, however: parts are"
        )
    if request.windows is not None and (
        request.guidance.self_attention or any(each.mask is not None for each in request.image_prompts)
    ):
        raise Unsupported(
            "windows must each be told the same, however: self-attention guidance or an image prompt's mask "
            "looks at the whole picture"
        )
    if request.guidance.manifold and not _first_order(request, identity):
        raise Unsupported(
            "guidance.manifold (CFG++) must go with euler or ddim, without noise of their own, however: "
            f"the sampler is {request.sampler or identity.facts.defaults.sampler}"
        )
    if request.refiner is not None and identity.family.scalars != 6:
        raise Unsupported(f"a refiner must follow an SDXL base model, however: this is {identity.name}")


def _source_must_agree(request: Request) -> None:
    source = request.source
    if source is None:
        return
    latent = source.upscaler in LATENT
    if _in_parts(request) and (source.by is not None or source.upscaler != "lanczos"):
        raise Unsupported("a picture must be enlarged as a whole, however: a part of it is painted")
    if source.strength == 0.0 and (latent or _in_parts(request)):
        raise RequestError(
            f"strength must be above 0 where {'latents are enlarged' if latent else 'a part is painted'}, "
            "however: it is 0"
        )


def _first_order(request: Request, identity: Identity) -> bool:
    """Whether every step goes straight from the noise through one estimate."""
    name = request.sampler or identity.facts.defaults.sampler
    noisy = any(request.sampler_options.get(each) for each in ("eta", "s_churn"))
    return name in {"euler", "ddim"} and not noisy


def _sigmas(request: Request, identity: Identity, levels: NoiseLevels) -> Sigmas:
    if request.sigmas is not None:
        return explicit(request.sigmas)
    assert request.schedule is not None
    assert request.steps is not None
    if request.schedule == "align_your_steps":
        return align_your_steps(levels, request.steps, table=identity.family.aligned)
    return schedule(request.schedule)(levels, request.steps)


def _passes(request: Request, sigmas: Sigmas, levels: NoiseLevels) -> tuple[Pass, ...]:
    if request.refiner is None:
        return (_pass("base", request, sigmas, sigmas),)
    # Base and refiner share one run: the base stops with noise left, the refiner goes on from there.
    switch = (1.0 - request.refiner.start) * levels.t_max
    first = next((i for i, sigma in enumerate(sigmas[:-1]) if levels.t(sigma) < switch), len(sigmas) - 1)
    cuts: tuple[tuple[Literal["base", "refiner"], Sigmas], ...] = (
        ("base", sigmas[: first + 1]),
        ("refiner", sigmas[first:]),
    )
    return tuple(_pass(name, request, part, sigmas) for name, part in cuts if len(part) > 1)


def _pass(name: Literal["base", "refiner"], request: Request, part: Sigmas, whole: Sigmas) -> Pass:
    assert request.sampler is not None
    assert request.cfg is not None
    shape = request.guidance
    counts = estimates(spoken(request), len(whole) - 1)
    first = whole.index(part[0])
    return Pass(
        model=name,
        sigmas=part,
        sampler=request.sampler,
        options=dict(request.sampler_options),
        cfg=request.cfg,
        shape=shape,
        guided=_levels(shape.interval, whole),
        disturbed=None if shape.perturbation is None else _levels(shape.perturbation.interval, whole),
        whole=whole,
        estimates=counts[first : first + len(part) - 1] if max(counts) > 1 else (),
        regions=len(request.regions),
        referring=_referring(request, name, whole),
        shortcuts=request.shortcuts,
    )


def _referring(request: Request, model: str, whole: Sigmas) -> tuple[float, float]:
    use = request.reference
    return (
        NEVER if use is None or model != "base" or not use.weight else within_steps(use.start, use.end, whole)
    )


def within_steps(start: float, end: float, sigmas: Sigmas) -> tuple[float, float]:
    """Above which noise level and up to which those steps are that lie wholly between shares of a run."""
    steps = len(sigmas) - 1
    first, last = ceil(start * steps - EDGE), floor(end * steps + EDGE)
    return (0.0 if last == steps else sigmas[last]), inf if first == 0 else sigmas[first]


def _levels(interval: tuple[float, float], whole: Sigmas) -> tuple[float, float]:
    """The lowest and highest noise level of a stretch given as shares of the run."""
    start, stop = interval
    steps = len(whole) - 1
    return (
        0.0 if stop == 1.0 else whole[round(stop * steps)],
        inf if start == 0.0 else whole[round(start * steps)],
    )
