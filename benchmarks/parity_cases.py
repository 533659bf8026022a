"""What is compared: a checkpoint's plan, the rules shapes cannot tell, and the inputs of every network."""

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gesso.families.blueprint import CheckpointPlan

__all__ = ["Case", "inputs", "numbers", "weight"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One layout to compare.

    Args:
        plan: how the checkpoint is built.
        unet_heads: width to number of heads, in the UNet.
        text_heads: the same in the text encoders.
        latents: height and width of the latents to try.
        sizes: how many numbers (sizes, crops, scores) join the pooled prompt in the vector condition.
        size_width: how many waves tell each of them.
    """

    plan: CheckpointPlan
    unet_heads: Callable[[int], int]
    text_heads: Callable[[int], int]
    latents: tuple[int, int]
    sizes: int = 0
    size_width: int = 256


def numbers(name: str, shape: Shape) -> Tensor:
    """Unit normal numbers that belong to a name, on any machine and in any version."""
    stream = np.random.RandomState(zlib.crc32(name.encode()))
    return torch.from_numpy(np.asarray(stream.standard_normal(shape), dtype=np.float32))


def weight(name: str, shape: Shape) -> Tensor:
    """A random weight, scaled by its inputs so that what passes through keeps its size."""
    draw = numbers(name, shape)
    if name.endswith("logit_scale"):
        return torch.tensor(4.6)
    if len(shape) < 2:
        return 0.1 * draw + float(name.endswith("weight"))
    if "embedding" in name:
        return 0.5 * draw
    return draw / float(np.prod(shape[1:])) ** 0.5


def weights(shapes: Mapping[str, Shape], names: Iterable[str]) -> dict[str, Tensor]:
    """Random weights for the named tensors."""
    return {name: weight(name, shapes[name]) for name in names}


def inputs(case: Case) -> dict[str, Tensor]:
    """What goes into the networks of a case, two examples of each."""
    unet, (height, width) = case.plan.unet, case.latents
    latents = case.plan.autoencoder.latents
    scale = 2 ** (len(case.plan.autoencoder.multipliers) - 1)
    given = {
        "x": numbers("x", (2, unet.in_channels, height, width)),
        "t": torch.tensor([999.0, 41.5]),
        "context": numbers("context", (2, 13, unet.context)),
        "latents": numbers("latents", (2, latents, height, width)),
        "pixels": numbers("pixels", (2, 3, scale * height, scale * width)).clamp(-1, 1),
    }
    if unet.vector is not None:
        given["pooled"] = numbers("pooled", (2, unet.vector - case.sizes * case.size_width))
        given["sizes"] = (numbers("sizes", (2, case.sizes)).abs() * 500).round()
    for prefix, text in case.plan.texts:
        given[f"{prefix}tokens"] = tokens(text.positions, text.vocabulary)
    return given


def tokens(positions: int, vocabulary: int) -> Tensor:
    """A short and a full prompt: start, words, end, padding with more ends."""
    words = numbers("tokens", (2, positions)).mul(1e4).long().abs() % (vocabulary - 2)
    words[:, 0] = vocabulary - 2
    words[0, positions // 3 :] = vocabulary - 1
    words[1, -1] = vocabulary - 1
    return words
