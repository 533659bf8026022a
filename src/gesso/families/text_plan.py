"""The tensors of a text encoder, worked out from a few numbers.

Source: the layouts of the `cond_stage_model.` and `conditioner.embedders.` tensors in the published files.
"""

from dataclasses import dataclass

from gesso.families.layers import Tensors, weights

__all__ = ["ClipPlan", "OpenClipPlan", "clip_layer", "clip_shapes", "open_clip_block", "open_clip_shapes"]


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """How a text encoder in the CLIP layout is built."""

    width: int = 768
    layers: int = 12
    positions: int = 77
    vocabulary: int = 49408
    projection: int | None = None


@dataclass(frozen=True, slots=True)
class OpenClipPlan:
    """How a text encoder in the OpenCLIP layout is built."""

    width: int = 1024
    layers: int = 24
    positions: int = 77
    vocabulary: int = 49408
    projection: int | None = 1024


def clip_shapes(plan: ClipPlan) -> dict[str, tuple[int, ...]]:
    """Every tensor of a text encoder in the CLIP layout, named relative to it."""
    return dict(clip_tensors(plan))


def clip_tensors(plan: ClipPlan) -> Tensors:
    """The encoder's tensors from the words to the last norm."""
    yield "text_model.embeddings.token_embedding.weight", (plan.vocabulary, plan.width)
    yield "text_model.embeddings.position_embedding.weight", (plan.positions, plan.width)
    for i in range(plan.layers):
        yield from clip_layer(f"text_model.encoder.layers.{i}", plan.width, 4 * plan.width)
    yield from weights("text_model.final_layer_norm", plan.width)
    if plan.projection is not None:
        yield from weights("text_projection", plan.projection, plan.width, bias=False)


def open_clip_shapes(plan: OpenClipPlan) -> dict[str, tuple[int, ...]]:
    """Every tensor of a text encoder in the OpenCLIP layout, named relative to it."""
    return dict(open_clip_tensors(plan))


def open_clip_tensors(plan: OpenClipPlan) -> Tensors:
    """The encoder's tensors in the file's order."""
    yield "positional_embedding", (plan.positions, plan.width)
    if plan.projection is not None:
        yield "text_projection", (plan.width, plan.projection)
    yield "logit_scale", ()
    yield "token_embedding.weight", (plan.vocabulary, plan.width)
    for i in range(plan.layers):
        yield from open_clip_block(f"transformer.resblocks.{i}", plan.width, 4 * plan.width)
    yield from weights("ln_final", plan.width)


def clip_layer(name: str, width: int, hidden: int) -> Tensors:
    """One layer in the CLIP layout; `hidden` is the width of its feed-forward part."""
    for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
        yield from weights(f"{name}.self_attn.{part}", width, width)
    yield from weights(f"{name}.layer_norm1", width)
    yield from weights(f"{name}.mlp.fc1", hidden, width)
    yield from weights(f"{name}.mlp.fc2", width, hidden)
    yield from weights(f"{name}.layer_norm2", width)


def open_clip_block(name: str, width: int, hidden: int) -> Tensors:
    """One block in the OpenCLIP layout; `hidden` is the width of its feed-forward part."""
    yield f"{name}.attn.in_proj_weight", (3 * width, width)
    yield f"{name}.attn.in_proj_bias", (3 * width,)
    yield from weights(f"{name}.attn.out_proj", width, width)
    yield from weights(f"{name}.ln_1", width)
    yield from weights(f"{name}.ln_2", width)
    yield from weights(f"{name}.mlp.c_fc", hidden, width)
    yield from weights(f"{name}.mlp.c_proj", width, hidden)
