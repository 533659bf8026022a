"""Conditions: a request's words, sizes and pictures as one model is told of them."""

from dataclasses import dataclass, replace
from typing import cast

from torch import Tensor

from gesso.conditioning.conditioning import Conditioning, cat
from gesso.conditioning.dialects import dialect
from gesso.conditioning.encode import Encoded, Manner, Reader, TextEncoder, Tower
from gesso.conditioning.prompt import Span, Told
from gesso.conditioning.sizes import Sizes, size_vector
from gesso.families.family import TextPart
from gesso.generation.latents import Scene, beside
from gesso.generation.wording import moments
from gesso.model import Model
from gesso.request import Request

__all__ = ["Conditions", "conditions"]


@dataclass(frozen=True)
class Conditions:
    """What one model is told up to a step.

    Args:
        until: the last step it is told this, counted from 1.
        positive: a row for every estimate of a composition; usually one.
        weights: of these estimates.
        negative: None where guidance is off, since it is then never asked for.
    """

    until: int
    positive: Conditioning
    weights: tuple[float, ...]
    negative: Conditioning | None


def conditions(model: Model, request: Request, scene: Scene, steps: int) -> tuple[Conditions, ...]:
    """Encode a resolved request for one model: what it is told, span by span.

    Args:
        scene: what it starts from.
        steps: of the run.

    Raises:
        RequestError: clip skip asks for a layer that is not there.
    """
    towers = [_tower(model, part) for part in model.identity.text]
    emphasis = request.emphasis or dialect(request.dialect).emphasis
    manner = Manner.named(emphasis, dialect(request.dialect).cut, request.clip_skip)
    reader, concat = Reader(towers, manner, model.device), beside(model, scene)
    return tuple(
        _told(model, request, reader, (positive, negative), concat)
        for positive, negative in moments(request, steps)
    )


def _told(
    model: Model, request: Request, reader: Reader, spans: tuple[Span, Told | None], concat: Tensor | None
) -> Conditions:
    span, without = spans
    weights = tuple(each.weight for each in span.told)
    read = reader([*span.told, *([without] if without else [])])
    count = len(span.told)
    told = [_conditioning(model, request, each, request.micro.aesthetic, concat) for each in read[:count]]
    positive = told[0] if count == 1 else cat(told)
    if without is None:
        return Conditions(span.until, positive, weights, None)
    unsaid = model.identity.family.zero_empty and not request.negative.strip()
    negative = _conditioning(
        model, request, read[-1].zeroed() if unsaid else read[-1], request.micro.negative_aesthetic, concat
    )
    return Conditions(span.until, positive, weights, replace(negative, roles=("negative",)))


def _tower(model: Model, part: TextPart) -> Tower:
    return Tower(
        encoder=cast(TextEncoder, model.networks[part.name]),
        layer=part.layer,
        normed=part.normed,
        pad=part.pad,
        pooled=part.pooled,
        clip_skip=part.clip_skip,
        words=model.words.get(part.name, {}),
    )


def _conditioning(
    model: Model, request: Request, encoded: Encoded, aesthetic: float, concat: Tensor | None
) -> Conditioning:
    width = model.identity.vector_width
    if encoded.pooled is None or width is None:
        return Conditioning(encoded.context, None, concat)
    return Conditioning(
        encoded.context, size_vector(encoded.pooled, _sizes(request, aesthetic), width), concat
    )


def _sizes(request: Request, aesthetic: float) -> Sizes:
    """The request's size conditions, rows before columns."""
    assert request.size is not None
    micro = request.micro
    width, height = micro.original_size or request.size
    target_width, target_height = micro.target_size or request.size
    left, top = micro.crop
    return Sizes((height, width), (target_height, target_width), (top, left), aesthetic)
