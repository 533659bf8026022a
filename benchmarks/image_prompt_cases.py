"""IP-Adapter files of every kind, worked out from a few numbers: names and sizes, no weights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from gesso.checkpoint.shapes import Shapes
from gesso.control.image_adapter import sites
from gesso.families.layers import Tensors, weights

__all__ = ["KINDS", "AdapterPlan", "Kind", "adapter_shapes"]

Kind = Literal["plain", "plus", "full", "face"]
KINDS: tuple[Kind, ...] = ("plain", "plus", "full", "face")


@dataclass(frozen=True, slots=True)
class AdapterPlan:
    """How an adapter is built.

    Args:
        kind: of projection.
        inputs: width of what it reads.
        context: width of the tokens it makes.
        tokens: how many, where that is not the number of patches.
        width: of a resampler's questions.
        layers: of a resampler.
    """

    kind: Kind
    inputs: int
    context: int
    tokens: int = 4
    width: int = 768
    layers: int = 4


def adapter_shapes(plan: AdapterPlan, unet: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Every tensor of an adapter for a UNet, under the published names."""
    shapes = {f"image_proj.{name}": shape for name, shape in _projection(plan)}
    for number, layer in enumerate(sites(Shapes(unet))):
        for each in ("k", "v"):
            shapes[f"ip_adapter.{2 * number + 1}.to_{each}_ip.weight"] = unet[f"{layer}.to_k.weight"]
    return shapes


def _projection(plan: AdapterPlan) -> Tensors:
    wide = plan.tokens * plan.context
    match plan.kind:
        case "plain":
            yield from weights("proj", wide, plan.inputs)
            yield from weights("norm", plan.context)
        case "face":
            yield from weights("proj.0", 2 * plan.inputs, plan.inputs)
            yield from weights("proj.2", wide, 2 * plan.inputs)
            yield from weights("norm", plan.context)
        case "full":
            yield from weights("proj.0", plan.inputs, plan.inputs)
            yield from weights("proj.2", plan.context, plan.inputs)
            yield from weights("proj.3", plan.context)
        case "plus":
            yield from _resampler(plan)


def _resampler(plan: AdapterPlan) -> Iterator[tuple[str, tuple[int, ...]]]:
    width = plan.width
    yield "latents", (1, plan.tokens, width)
    yield from weights("proj_in", width, plan.inputs)
    yield from weights("proj_out", plan.context, width)
    yield from weights("norm_out", plan.context)
    for i in range(plan.layers):
        yield from weights(f"layers.{i}.0.norm1", width)
        yield from weights(f"layers.{i}.0.norm2", width)
        yield f"layers.{i}.0.to_q.weight", (width, width)
        yield f"layers.{i}.0.to_kv.weight", (2 * width, width)
        yield f"layers.{i}.0.to_out.weight", (width, width)
        yield from weights(f"layers.{i}.1.0", width)
        yield f"layers.{i}.1.1.weight", (4 * width, width)
        yield f"layers.{i}.1.3.weight", (width, 4 * width)
