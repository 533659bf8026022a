"""Conditions: a request's words, sizes and pictures as one model is told of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning, Role, cat
from gesso.conditioning.dialects import dialect
from gesso.conditioning.encode import Encoded, Manner, Reader, TextEncoder, Tower
from gesso.conditioning.prompt import Prompt, Span, Told
from gesso.conditioning.sizes import Sizes, size_vector
from gesso.families.family import TextPart
from gesso.generation.latents import Scene, beside
from gesso.generation.wording import moments, regional, said_at
from gesso.model import Model
from gesso.request import Request

__all__ = ["Conditions", "conditioning", "conditions", "tower"]


@dataclass(frozen=True)
class Conditions:
    """What one model is told up to a step.

    Args:
        until: the last step it is told this, counted from 1.
        positive: a row for every estimate of a composition, usually one, and then one for each region.
        weights: of these estimates.
        negative: None where guidance is off, since it is then never asked for.
        neutral: what is told without any words, where guidance asks for it.
        blind: the negative without the picture to change, where guidance asks for it.
    """

    until: int
    positive: Conditioning
    weights: tuple[float, ...]
    negative: Conditioning | None
    neutral: Conditioning | None = None
    blind: Conditioning | None = None


def conditions(model: Model, request: Request, scene: Scene, steps: int) -> tuple[Conditions, ...]:
    """Encode a resolved request for one model: what it is told, span by span.

    Args:
        scene: what it starts from.
        steps: of the run.

    Raises:
        RequestError: clip skip asks for a layer that is not there.
    """
    towers = [tower(model, part) for part in model.identity.text]
    emphasis = request.emphasis or dialect(request.dialect).emphasis
    manner = Manner.named(emphasis, dialect(request.dialect).cut, request.clip_skip)
    reader, concat = Reader(towers, manner, model.device), beside(model, scene)
    encoder = _Encoder(model, request, reader, concat, scene.vector)
    with model.present(*(part.name for part in model.identity.text)):
        return tuple(encoder.told(*each) for each in _spans(request, steps))


def _spans(request: Request, steps: int) -> Iterator[tuple[int, Span, tuple[Told, ...], Told | None]]:
    """Until when, what the picture, each region and the negative are told."""
    regions = regional(request, steps)
    whole = moments(request, steps)
    ends = {span.until for spans in regions for span in spans} | {span.until for span, _ in whole}
    for end in sorted(ends):
        span, negative = next((span, negative) for span, negative in whole if end <= span.until)
        yield end, span, tuple(said_at(spans, end).told[0] for spans in regions), negative


@dataclass(frozen=True)
class _Encoder:
    """One model's reading of one request."""

    model: Model
    request: Request
    reader: Reader
    concat: Tensor | None
    seen: Tensor | None

    def told(self, until: int, span: Span, regions: tuple[Told, ...], without: Told | None) -> Conditions:
        """What the model is told in one span; all words are read together, so that they are equally long."""
        silent = [NOTHING] if self.request.guidance.perpendicular is not None and without else []
        words = [*span.told, *regions]
        read = self.reader([*words, *([without] if without else []), *silent])
        told = [
            self._conditioning(each, self.request.micro.aesthetic, self.seen) for each in read[: len(words)]
        ]
        positive = told[0] if len(told) == 1 else cat(told)
        weights = tuple(each.weight for each in span.told)
        if without is None:
            return Conditions(until, positive, weights, None)
        negative = self._without(read[len(words)], said=bool(self.request.negative.strip()), role="negative")
        neutral = self._without(read[-1], said=False, role="neutral") if silent else None
        return Conditions(until, positive, weights, negative, neutral, self._blind(negative))

    def _blind(self, negative: Conditioning) -> Conditioning | None:
        """The negative without the picture to change, where guidance tells them apart."""
        if self.request.guidance.picture in {None, 1.0} or negative.concat is None:
            return None
        return replace(negative, concat=torch.zeros_like(negative.concat), roles=("blind",))

    def _without(self, encoded: Encoded, *, said: bool, role: Role) -> Conditioning:
        unsaid = self.model.identity.family.zero_empty and not said
        # no picture is told as zeros
        unseen = None if self.seen is None else torch.zeros_like(self.seen)
        found = self._conditioning(
            encoded.zeroed() if unsaid else encoded, self.request.micro.negative_aesthetic, unseen
        )
        return replace(found, roles=(role,))

    def _conditioning(self, encoded: Encoded, aesthetic: float, seen: Tensor | None) -> Conditioning:
        found = conditioning(self.model, encoded, _sizes(self.request, aesthetic), self.concat)
        return found if found.vector is not None else replace(found, vector=seen)


def conditioning(model: Model, encoded: Encoded, sizes: Sizes, concat: Tensor | None = None) -> Conditioning:
    """What was read, and the sizes where the model is told them.

    Args:
        concat: what is shown beside the noisy latents.
    """
    width = model.identity.vector_width
    if encoded.pooled is None or width is None:
        return Conditioning(encoded.context, None, concat)
    return Conditioning(encoded.context, size_vector(encoded.pooled, sizes, width), concat)


NOTHING = Told(((Prompt(((),)), 1.0),))
"""No words at all."""


def tower(model: Model, part: TextPart) -> Tower:
    """One of a model's text encoders as its family reads it, with the new words that are attached."""
    return Tower(
        encoder=cast(TextEncoder, model.networks[part.name]),
        layer=part.layer,
        normed=part.normed,
        pad=part.pad,
        pooled=part.pooled,
        clip_skip=part.clip_skip,
        words=model.words.get(part.name, {}),
    )


def _sizes(request: Request, aesthetic: float) -> Sizes:
    """The request's size conditions, rows before columns."""
    assert request.size is not None
    micro = request.micro
    width, height = micro.original_size or request.size
    target_width, target_height = micro.target_size or request.size
    left, top = micro.crop
    return Sizes((height, width), (target_height, target_width), (top, left), aesthetic)
