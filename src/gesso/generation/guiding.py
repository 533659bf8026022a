"""Guiding: what a request says of guidance, as a denoise function over one pass."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from gesso.denoiser import Control, Denoiser
from gesso.errors import RequestError
from gesso.generation.conditions import Conditions
from gesso.generation.passes import Pass
from gesso.guidance.estimates import Asked, Estimator, Rule, guided, straight
from gesso.guidance.free_u import FreeU
from gesso.guidance.perpendicular import perpendicular
from gesso.guidance.perturbed import Disturbed, identity, pushed, smoothed
from gesso.guidance.pictured import pictured
from gesso.guidance.projected import Projected
from gesso.guidance.regions import Maps
from gesso.guidance.rescaling import rescaling
from gesso.guidance.self_attention import Watched, sharpened
from gesso.guidance.thresholding import thresholded
from gesso.guidance.timing import stepwise
from gesso.guidance.windows import Windowed
from gesso.networks.attention import Attention
from gesso.networks.unet import UNet
from gesso.request import GuidanceShape, Perturbation
from gesso.sampling.samplers import Denoise

__all__ = ["Place", "guide"]


@dataclass(frozen=True)
class Place:
    """Where on the canvas estimates are made and count.

    Args:
        maps: how much the prompt and each region count where; None without regions.
        window: height and width of a window, latent cells; None for the whole at once.
        overlap: latent cells that windows share.
    """

    maps: Maps | None = None
    window: tuple[int, int] | None = None
    overlap: int = 0


def guide(denoiser: Denoiser, each: Pass, told: Sequence[Conditions], place: Place) -> Denoise:
    """The denoise function of one pass.

    Args:
        told: what the pass's model is told, span by span.

    Raises:
        RequestError: a technique names blocks that the model does not have.
    """
    techniques, watched = _techniques(denoiser.network, each.shape)
    acting = replace(denoiser, controls=(*denoiser.controls, *techniques)) if techniques else denoiser
    estimator: Estimator = acting
    if place.window is not None:
        estimator = Windowed(acting, place.window, place.overlap)
    # one for all spans: a rule may have a memory
    rule = _rule(each.shape)
    spans = [(span.until, _span(estimator, each, (span, place, rule, watched))) for span in told]
    return stepwise(spans, each.whole)


def _span(estimator: Estimator, each: Pass, parts: tuple[Conditions, Place, Rule, Watched | None]) -> Denoise:
    told, place, rule, watched = parts
    asked = Asked(
        told.positive, told.negative, told.weights, place.maps, told.neutral, told.blind, each.disturbed
    )
    if watched is not None:
        without = told.positive.first(1) if told.negative is None else told.negative
        rule = sharpened(rule, each.shape.self_attention, estimator, without, watched)
    return guided(estimator, asked, each.scale, rule, always=watched is not None)


def _rule(shape: GuidanceShape) -> Rule:
    """How estimates are combined: one way to guide, and what is done with its result."""
    rule: Rule = straight
    if shape.projection is not None:
        rule = Projected(shape.projection.eta, shape.projection.norm, shape.projection.momentum)
    elif shape.perpendicular is not None:
        rule = perpendicular(shape.perpendicular)
    if shape.picture is not None:
        rule = pictured(rule, shape.picture)
    if shape.threshold is not None:
        rule = thresholded(rule, shape.threshold.mimic, shape.threshold.percentile)
    if shape.rescale:
        rule = rescaling(rule, shape.rescale)
    return rule if shape.perturbation is None else pushed(rule, shape.perturbation.scale)


def _techniques(network: nn.Module, shape: GuidanceShape) -> tuple[tuple[Control, ...], Watched | None]:
    """What acts inside the network, and the layer that is watched."""
    assert isinstance(network, UNet)
    found: list[Control] = []
    if shape.free_u is not None:
        found.append(FreeU(shape.free_u.backbone, shape.free_u.skip, shape.free_u.version))
    if shape.perturbation is not None:
        found.append(_disturbed(network, shape.perturbation))
    watched = Watched(_self_attention(network, "M00")[0]) if shape.self_attention else None
    return (*found, *([watched] if watched else ())), watched


def _disturbed(network: UNet, asked: Perturbation) -> Disturbed:
    layers = [layer for block in asked.layers for layer in _self_attention(network, block)]
    return Disturbed(layers, identity if asked.blur is None else smoothed(asked.blur))


def _self_attention(network: UNet, block: str) -> list[Attention]:
    """The self-attention layers of a block by its name.

    Raises:
        RequestError: there is no such block, or none in it.
    """
    named = {f"IN{i:02}": each for i, each in enumerate(network.input_blocks)}
    named |= {"M00": network.middle_block}
    named |= {f"OUT{i:02}": each for i, each in enumerate(network.output_blocks)}
    layers = {name: _looking(each) for name, each in named.items()}
    if not layers.get(block):
        raise RequestError(
            f"attention must be disturbed in blocks that have some, however: {block} is none of them",
            hint=f"blocks with attention: {', '.join(name for name, found in layers.items() if found)}",
        )
    return layers[block]


def _looking(block: nn.Module) -> list[Attention]:
    return [
        layer
        for name, layer in block.named_modules()
        if name.endswith("attn1") and isinstance(layer, Attention)
    ]
