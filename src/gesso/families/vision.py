"""Image encoders: what CLIP's files leave open, and the encoder that tensors call for.

Source: the configurations published with OpenAI's and OpenCLIP's models; preprocessing: Radford et al. 2021,
and `preprocessor_config.json` beside the published files.
"""

from collections.abc import Mapping

import torch

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.shapes import Shapes
from gesso.errors import CheckpointError
from gesso.families.drawing import Drawing, must_match
from gesso.networks.clip_text import Activation
from gesso.networks.clip_vision import ClipVision, OpenClipVision

__all__ = ["MEAN", "STD", "VisionEncoder", "vision_activation", "vision_drawing", "vision_heads"]

VisionEncoder = ClipVision | OpenClipVision

MEAN = (0.48145466, 0.4578275, 0.40821073)
"""What is taken from the channels of a picture in 0…1, which is then divided by STD."""
STD = (0.26862954, 0.26130258, 0.27577711)

HUGGING_FACE = ("vision_model.", "visual_projection.")
OPEN_CLIP = "visual."
MOST_HEADS = 16
OPENAI_WIDTHS = (768, 1024)


def vision_heads(width: int) -> int:
    """Attention heads: 64 channels each, but never more than 16; wider encoders have wider heads.

    Source: ViT-B/32 and /16 (768: 12), L/14 (1024: 16), H/14 (1280: 16), g/14 (1408: 16), bigG/14 (1664: 16).
    """
    return min(MOST_HEADS, max(1, width // 64))


def vision_activation(width: int) -> Activation:
    """What shapes do not show: encoders as wide as OpenAI's are taken for OpenAI's."""
    return "quick_gelu" if width in OPENAI_WIDTHS else "gelu"


def vision_drawing(checkpoint: Checkpoint, prefix: str = "") -> Drawing:
    """The image encoder of a file, built without memory, in whichever layout it is.

    The file may hold the whole of CLIP; what reads words is no part of it.

    Args:
        prefix: what the names of its tensors start with, such as "embedder.model.".

    Raises:
        CheckpointError: there is none.
        TensorMismatch: a tensor is missing, or does not fit the others.
    """
    shapes = checkpoint.shapes.under(prefix)
    hugging_face = {name: prefix + name for name in shapes if _kept(name, HUGGING_FACE)}
    open_clip = {name.removeprefix(OPEN_CLIP): prefix + name for name in shapes if name.startswith(OPEN_CLIP)}
    if not hugging_face and not open_clip:
        raise CheckpointError(
            f"{checkpoint.path.name} must hold an image encoder, however: it has no tensor "
            f"{prefix}vision_model.* or {prefix}visual.*",
            hint="IP-Adapter's encoders are published beside it, in models/image_encoder",
        )
    names = hugging_face or open_clip
    local = Shapes({own: checkpoint.shapes[name] for own, name in names.items()})
    with torch.device("meta"):
        network = _built(local, hugging_face=bool(hugging_face))
    must_match("image encoder", network, local)
    return Drawing(network, checkpoint, names, {})


def _kept(name: str, tops: tuple[str, ...]) -> bool:
    # positions are counted anew
    return name.startswith(tops) and not name.endswith("position_ids")


def _built(shapes: Shapes, *, hugging_face: bool) -> VisionEncoder:
    width = _width(shapes, "vision_model.embeddings.class_embedding" if hugging_face else "class_embedding")
    kind = ClipVision if hugging_face else OpenClipVision
    return kind(shapes, vision_heads, vision_activation(width))


def _width(shapes: Mapping[str, tuple[int, ...]], name: str) -> int:
    return (shapes.get(name) or (0,))[0]
