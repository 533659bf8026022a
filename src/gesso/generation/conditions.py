"""Conditions: a request's words, sizes and pictures as one model is told of them."""

from dataclasses import dataclass
from typing import cast

from torch import Tensor

from gesso.conditioning.conditioning import Conditioning
from gesso.conditioning.encode import Encoded, TextEncoder, Tower, encode
from gesso.conditioning.prompt import parse
from gesso.conditioning.sizes import Sizes, size_vector
from gesso.families.family import TextPart
from gesso.generation.latents import Scene, beside
from gesso.model import Model
from gesso.request import Request

__all__ = ["Conditions", "conditions"]


@dataclass(frozen=True)
class Conditions:
    """What one model is told.

    Args:
        negative: None where guidance is off, since it is then never asked for.
    """

    positive: Conditioning
    negative: Conditioning | None


def conditions(model: Model, request: Request, scene: Scene) -> Conditions:
    """Encode a resolved request for one model.

    Args:
        scene: what it starts from.

    Raises:
        RequestError: clip skip asks for a layer that is not there.
    """
    towers = [_tower(model, part) for part in model.identity.text]
    # without guidance the negative is not read at all: its length must not change the picture
    words = [request.prompt] if request.cfg == 1.0 else [request.prompt, request.negative]
    skip = request.clip_skip
    read = encode([parse(each) for each in words], towers, device=model.device, clip_skip=skip)
    concat = beside(model, scene)
    positive = _conditioning(model, request, read[0], request.micro.aesthetic, concat)
    if len(read) == 1:
        return Conditions(positive, None)
    unsaid = model.identity.family.zero_empty and not request.negative.strip()
    negative = read[1].zeroed() if unsaid else read[1]
    return Conditions(
        positive, _conditioning(model, request, negative, request.micro.negative_aesthetic, concat)
    )


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
