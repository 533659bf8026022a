"""CLIP's image encoders: a picture as one vector beside those of words, and as a vector for every patch.

Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", section
2.4; Dosovitskiy et al. 2020, arXiv:2010.11929, section 3.1; layer names and sizes from the published encoders
of transformers (`vision_model.`) and of OpenCLIP (`visual.`).

Words of the files: `pre_layrnorm` is spelt so, `visual_projection` and `proj` lead to the space that pictures
share with words, `class_embedding` is the token that stands for the whole picture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.networks.clip_text import Activation, Encoder, QuickGelu
from gesso.networks.open_clip_text import Transformer
from gesso.networks.structure import Shapes, conv, embedding, layer_norm, linear, parameter, under

__all__ = ["ClipVision", "OpenClipVision", "VisionStates"]


@dataclass(frozen=True)
class VisionStates:
    """What an image encoder says of pictures.

    Args:
        hidden: every state in order, the whole picture's token first: the embedded patches, then the output
            of each layer.
        pooled: the whole picture as one vector, in the space that it shares with words.
    """

    hidden: tuple[Float[Tensor, "b n d"], ...]
    pooled: Float[Tensor, "b p"]


class Patches(nn.Module):
    """A picture as embedded patches, in Hugging Face's layout."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.class_embedding = parameter(shapes, "class_embedding", 1)
        side = shapes.get("patch_embedding.weight", (1,))[-1]
        self.patch_embedding = conv(shapes, "patch_embedding", stride=side, padding=0)
        self.position_embedding = embedding(shapes, "position_embedding")

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b n d"]:
        """The whole picture's token, then one for every patch."""
        return embedded(self.patch_embedding, self.class_embedding, self.position_embedding.weight, pixels)


def embedded(
    patches: nn.Conv2d, whole: Float[Tensor, " d"], places: Float[Tensor, "n d"], pixels: Tensor
) -> Float[Tensor, "b n d"]:
    """Patches as tokens behind the one that stands for all of them, plus where they are."""
    tokens = patches(pixels).flatten(2).transpose(1, 2)
    return torch.cat((whole.expand(len(tokens), 1, -1), tokens), dim=1) + places


class VisionModel(nn.Module):
    """All but the projection, under the name the file gives it."""

    def __init__(self, shapes: Shapes, heads: Callable[[int], int], activation: Activation) -> None:
        super().__init__()
        self.embeddings = Patches(under(shapes, "embeddings."))
        self.pre_layrnorm = layer_norm(shapes, "pre_layrnorm")
        self.encoder = Encoder(under(shapes, "encoder."), heads, activation, causal=False)
        self.post_layernorm = layer_norm(shapes, "post_layernorm")

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b n d"], ...]:
        """The embedded patches, then the output of every layer."""
        return self.encoder(self.pre_layrnorm(self.embeddings(pixels)))


class ClipVision(nn.Module):
    """An image encoder in Hugging Face's layout, as wide and deep as the file's tensors.

    Args:
        shapes: names and sizes relative to the network (`visual_projection.weight`, ...).
        heads: width to number of attention heads.
        activation: of the feed-forward parts; OpenAI's encoders have quick_gelu, others gelu.
    """

    def __init__(self, shapes: Shapes, heads: Callable[[int], int], activation: Activation) -> None:
        super().__init__()
        self.vision_model = VisionModel(under(shapes, "vision_model."), heads, activation)
        self.visual_projection = linear(shapes, "visual_projection")

    @property
    def side(self) -> int:
        """Height and width of the pictures it looks at, in pixels; 224 in most published files."""
        patches = self.vision_model.embeddings
        return _side(patches.position_embedding.num_embeddings, patches.patch_embedding)

    @property
    def width(self) -> int:
        """Width of the patches' states."""
        return self.visual_projection.in_features

    @property
    def pooled_width(self) -> int:
        """Width of the vector that stands for the whole picture."""
        return self.visual_projection.out_features

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> VisionStates:
        """Pictures of the encoder's size, normalised, after every layer and as one vector each."""
        hidden = self.vision_model(pixels)
        pooled = self.vision_model.post_layernorm(hidden[-1][:, 0])
        return VisionStates(hidden, self.visual_projection(pooled))


class OpenClipVision(nn.Module):
    """An image encoder in OpenCLIP's layout, which OpenAI's own files have too.

    Args:
        shapes: names and sizes relative to the network (`conv1.weight`, ...).
        heads: width to number of attention heads.
        activation: of the feed-forward parts; OpenAI's encoders have quick_gelu, others gelu.
    """

    def __init__(self, shapes: Shapes, heads: Callable[[int], int], activation: Activation) -> None:
        super().__init__()
        self.class_embedding = parameter(shapes, "class_embedding", 1)
        self.positional_embedding = parameter(shapes, "positional_embedding", 2)
        self.proj = parameter(shapes, "proj", 2)
        side = shapes.get("conv1.weight", (1,))[-1]
        self.conv1 = conv(shapes, "conv1", stride=side, padding=0)
        self.ln_pre = layer_norm(shapes, "ln_pre")
        gelu = QuickGelu() if activation == "quick_gelu" else None
        self.transformer = Transformer(under(shapes, "transformer."), heads, causal=False, gelu=gelu)
        self.ln_post = layer_norm(shapes, "ln_post")

    @property
    def side(self) -> int:
        """Height and width of the pictures it looks at, in pixels; 224 in the published files."""
        return _side(self.positional_embedding.shape[0], self.conv1)

    @property
    def width(self) -> int:
        """Width of the patches' states."""
        return self.proj.shape[0]

    @property
    def pooled_width(self) -> int:
        """Width of the vector that stands for the whole picture."""
        return self.proj.shape[1]

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> VisionStates:
        """Pictures of the encoder's size, normalised, after every layer and as one vector each."""
        patches = embedded(self.conv1, self.class_embedding, self.positional_embedding, pixels)
        hidden = self.transformer(self.ln_pre(patches))
        return VisionStates(hidden, self.ln_post(hidden[-1][:, 0]) @ self.proj)


def _side(places: int, patches: nn.Conv2d) -> int:
    """Pixels along a side, from the number of places; one of them is the whole picture's."""
    return isqrt(places - 1) * patches.stride[0]
