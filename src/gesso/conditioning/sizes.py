"""What SDXL is told about the picture's size, crop and quality, as a vector."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.errors import TensorMismatch

__all__ = ["Sizes", "scalar_count", "size_vector"]

_WIDTH = 256
_LONGEST_PERIOD = 10_000


@dataclass(frozen=True)
class Sizes:
    """The numbers that SDXL saw beside each training picture.

    Args:
        original: height and width before training resized it, pixels.
        target: height and width it was trained at, pixels.
        crop: what was cut off at the top and at the left, pixels.
        aesthetic: the refiner's score of beauty, about 1 to 10.
    """

    original: tuple[int, int]
    target: tuple[int, int]
    crop: tuple[int, int] = (0, 0)
    aesthetic: float = 6.0

    def scalars(self, count: int) -> tuple[float, ...]:
        """The numbers in the order that a network with room for `count` of them was trained with.

        Source: Podell et al. 2023, arXiv:2307.01952, section 2.2; the conditioner lists of
        Stability-AI/generative-models `sd_xl_base.yaml` and `sd_xl_refiner.yaml`.
        """
        orders = {
            0: (),
            5: (*self.original, *self.crop, self.aesthetic),
            6: (*self.original, *self.crop, *self.target),
        }
        if count not in orders:
            raise TensorMismatch(f"a vector condition must have room for 0, 5 or 6 sizes, however: {count}")
        return orders[count]


def scalar_count(vector_width: int, pooled_width: int) -> int:
    """How many sizes fit into a network's vector condition beside the pooled text: 6 (SDXL), 5 (refiner).

    Args:
        vector_width: inputs of the network's label embedding.

    Raises:
        TensorMismatch: the widths do not go together.
    """
    room = vector_width - pooled_width
    if room < 0 or room % _WIDTH:
        raise TensorMismatch(
            f"a vector condition must be the pooled text and a multiple of {_WIDTH} wide, however: "
            f"{vector_width} with pooled text of {pooled_width}"
        )
    return room // _WIDTH


def size_vector(pooled: Float[Tensor, "1 p"], sizes: Sizes, vector_width: int) -> Float[Tensor, "1 v"]:
    """The vector condition: pooled text, then each size as a sinusoidal embedding of 256.

    Source: the size conditioner of Stability-AI/generative-models, `sgm/modules/encoders`; Vaswani et al.
    2017, arXiv:1706.03762, section 3.5, but cosines first.
    """
    scalars = sizes.scalars(scalar_count(vector_width, pooled.shape[1]))
    waves = _waves(torch.tensor(scalars, dtype=torch.float32)).reshape(1, -1)
    return torch.cat([pooled, waves.to(pooled)], dim=1)


def _waves(values: Float[Tensor, " n"]) -> Float[Tensor, "n 256"]:
    half = _WIDTH // 2
    frequencies = torch.exp(-math.log(_LONGEST_PERIOD) * torch.arange(half, dtype=torch.float32) / half)
    angles = values[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)
