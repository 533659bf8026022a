"""The tensors of an image encoder, worked out from a few numbers.

Source: the published encoders: transformers' CLIPVisionModelWithProjection and OpenCLIP's `visual.`.
"""

from dataclasses import dataclass

from gesso.families.layers import Tensors, weights
from gesso.families.text_plan import clip_layer, open_clip_block

__all__ = ["VisionPlan", "open_vision_shapes", "vision_shapes"]


@dataclass(frozen=True, slots=True)
class VisionPlan:
    """How an image encoder is built; the numbers are ViT-H's.

    Args:
        width: of the patches' states.
        hidden: of the feed-forward parts.
        patch: pixels along a patch's side.
        side: pixels along a picture's side.
        projection: width of the vector for a whole picture.
    """

    width: int = 1280
    layers: int = 32
    hidden: int = 5120
    patch: int = 14
    side: int = 224
    projection: int = 1024

    @property
    def places(self) -> int:
        """Patches, and the whole picture."""
        return (self.side // self.patch) ** 2 + 1


def vision_shapes(plan: VisionPlan) -> dict[str, tuple[int, ...]]:
    """Every tensor of an image encoder in Hugging Face's layout."""
    return dict(_vision_tensors(plan))


def _vision_tensors(plan: VisionPlan) -> Tensors:
    top, width = "vision_model", plan.width
    yield f"{top}.embeddings.class_embedding", (width,)
    yield f"{top}.embeddings.patch_embedding.weight", (width, 3, plan.patch, plan.patch)
    yield f"{top}.embeddings.position_embedding.weight", (plan.places, width)
    yield from weights(f"{top}.pre_layrnorm", width)
    for i in range(plan.layers):
        yield from clip_layer(f"{top}.encoder.layers.{i}", width, plan.hidden)
    yield from weights(f"{top}.post_layernorm", width)
    yield "visual_projection.weight", (plan.projection, width)


def open_vision_shapes(plan: VisionPlan) -> dict[str, tuple[int, ...]]:
    """Every tensor of an image encoder in OpenCLIP's layout, named relative to it."""
    return dict(_open_vision_tensors(plan))


def _open_vision_tensors(plan: VisionPlan) -> Tensors:
    width = plan.width
    yield "class_embedding", (width,)
    yield "positional_embedding", (plan.places, width)
    yield "proj", (width, plan.projection)
    yield "conv1.weight", (width, 3, plan.patch, plan.patch)
    yield from weights("ln_pre", width)
    for i in range(plan.layers):
        yield from open_clip_block(f"transformer.resblocks.{i}", width, plan.hidden)
    yield from weights("ln_post", width)
