"""Family: what one line of models has in common. Plain data; importing it costs nothing."""

from dataclasses import dataclass
from typing import Literal

from gesso.checkpoint.shapes import Shapes
from gesso.families.signs import Sign

__all__ = ["Defaults", "Family", "HeadRule", "LatentSpace", "PredictionName", "Shown", "TextPart", "Variant"]

Shown = Literal["source", "depth", "image_prompts"]
"""Fields of a request that a model may need."""
PredictionName = Literal["epsilon", "v", "x0", "edm", "edm_v"]


@dataclass(frozen=True)
class HeadRule:
    """How many attention heads a layer has: the one fact of the UNet that shapes never show.

    Args:
        count: that many in every layer, whatever its width (SD 1.x: 8), or None.
        width: channels a head in every layer (SD 2.x and SDXL: 64), used where count is None.
    """

    count: int | None = None
    width: int = 64

    def __call__(self, channels: int) -> int:
        """Heads of a layer with that many channels."""
        return self.count or max(1, channels // self.width)


@dataclass(frozen=True)
class LatentSpace:
    """How the autoencoder's latents are scaled for the denoiser: scaled = (latents - mean) / std * scale.

    Args:
        narrow: whether the published autoencoder's numbers stay within half precision.
    """

    scale: float
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    narrow: bool = True


@dataclass(frozen=True)
class TextPart:
    """One text encoder and how its output is used.

    Args:
        name: the part's name in the model, such as "text".
        prefix: where its tensors are.
        layer: which hidden state becomes context, counted from the end: -1 the last, -2 the one before.
        normed: whether the final norm is applied to it.
        pad: what fills a window: the end token, or this id.
        activation: of the feed-forward layers; shapes do not show it.
        pooled: whether its pooled output joins the vector condition.
        clip_skip: what a request's clip skip does: go further back, name the layer, or nothing.
    """

    name: str
    prefix: str
    layer: int
    normed: bool
    pad: Literal["end"] | int
    activation: Literal["quick_gelu", "gelu"] = "gelu"
    pooled: bool = False
    clip_skip: Literal["further", "absolute", "never"] = "further"


@dataclass(frozen=True)
class Defaults:
    """What None in a request becomes."""

    size: tuple[int, int]
    steps: int = 25
    sampler: str = "dpmpp_2m"
    schedule: str = "karras"
    cfg: float = 7.0


@dataclass(frozen=True)
class Variant:
    """A member of a family told by further signs, such as an inpainting model.

    Args:
        unsupported: why gesso cannot paint with it yet, or empty.
        shown: what it must be shown beside words: the picture to change, a picture of depth, or pictures as
            prompts.
    """

    name: str
    signs: tuple[Sign, ...]
    unsupported: str = ""
    shown: Shown | None = None


@dataclass(frozen=True)
class Family:
    """What one line of models has in common.

    Args:
        name: short and lower-case, as users type it.
        title: as its makers call it.
        architecture: ModelSpec's identifier of the plain variant.
        signs: all of them hold for every member.
        text: its text encoders, in the order their features are joined.
        scalars: size conditions appended to the pooled vector: 6 (SDXL), 5 (refiner) or 0.
        ambiguous: whether members differ in prediction type without any trace in names or shapes.
        editions: names of well-known widths and depths, each by its signs; for information only.
        parts: what its files carry beside UNet, autoencoder and text encoders, each with its prefix.
        aligned: which table of align_your_steps was made for it.
        adapter_names: whose names of the UNet's layers its adapter files use.
        zero_empty: an empty negative prompt is told as zeros.
    """

    name: str
    title: str
    architecture: str
    signs: tuple[Sign, ...]
    variants: tuple[Variant, ...]
    latent: LatentSpace
    heads: HeadRule
    defaults: Defaults
    text: tuple[TextPart, ...] = ()
    scalars: Literal[0, 5, 6] = 0
    prediction: PredictionName = "epsilon"
    ambiguous: bool = False
    zero_empty: bool = False
    editions: tuple[Variant, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    aligned: Literal["sd1", "sdxl"] = "sd1"
    adapter_names: Literal["original", "diffusers"] = "diffusers"

    def contradictions(self, shapes: Shapes) -> list[str]:
        """What the header shows against this family, in the order of its signs; empty for a member."""
        found = (sign.contradiction(shapes) for sign in self.signs)
        return [each for each in found if each is not None]
