"""Small image encoders and IP-Adapters, one of every kind, and what they are given."""

from collections.abc import Mapping

import numpy as np
from PIL import Image
from torch import Tensor

from benchmarks.image_prompt_cases import AdapterPlan, Kind, adapter_shapes
from benchmarks.parity_cases import numbers
from gesso.families.unet_plan import unet_shapes
from gesso.families.vision_plan import VisionPlan
from tests.references.networks_cases import CASES as NETWORKS
from tests.references.networks_said import weights

CASES = {name: NETWORKS[name] for name in ("v1", "xl")}
VISION = VisionPlan(width=128, layers=3, hidden=192, patch=14, side=56, projection=40)
ADAPTERS: Mapping[Kind, tuple[int, int, int]] = {
    "plain": (40, 4, 0),
    "plus": (128, 5, 64),
    "full": (128, 0, 0),
    "face": (24, 3, 0),
}
"""Of each kind: width of what it reads, its tokens, the width of a resampler's questions."""


def plan(name: str, kind: Kind) -> AdapterPlan:
    """An adapter for one of the small UNets."""
    inputs, tokens, width = ADAPTERS[kind]
    return AdapterPlan(kind, inputs, CASES[name].plan.unet.context, tokens, width)


def adapter_weights(name: str, kind: Kind) -> dict[str, Tensor]:
    """The random weights that the oracle had."""
    return weights(adapter_shapes(plan(name, kind), unet_shapes(CASES[name].plan.unet)))


def seen(kind: Kind) -> Tensor:
    """What is known of two pictures."""
    width = ADAPTERS[kind][0]
    return numbers(f"seen {kind}", (2, VISION.places, width) if kind in {"plus", "full"} else (2, width))


def square() -> Tensor:
    """Two pictures of the encoder's size, normalised."""
    return numbers("square", (2, 3, VISION.side, VISION.side))


def photo() -> Image.Image:
    """A picture of another size and aspect."""
    grain = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    return Image.fromarray(grain).resize((181, 117), Image.Resampling.BICUBIC)
