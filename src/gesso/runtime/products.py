"""Products of whole numbers: a layer's input is rounded to 8 bits as its weight is, when the layer is called.

Linear layers round each token by itself, convolutions the whole map at once.

Source: Dettmers et al. 2022, "LLM.int8()", section 2.1 (a scale for each row of the input and each column of
the weight); oneDNN developer guide, "Quantization".
"""

from collections.abc import Sequence

import torch
from jaxtyping import BFloat16, Float32, Int8
from torch import Tensor

from gesso.runtime.native.whole import Rounder

__all__ = ["Products"]


class Products:
    """A weight of whole numbers laid out as oneDNN multiplies them.

    Args:
        rounder: rounds what it is multiplied with.
        codes: the weight, which is not kept.
        scales: what each output channel's codes are multiples of.
    """

    def __init__(
        self, rounder: Rounder, codes: Int8[Tensor, "o i ..."], scales: Float32[Tensor, " o"]
    ) -> None:
        self.rounder = rounder
        self.scales = scales
        self.zeros = torch.zeros(len(scales), dtype=torch.int64)
        pack = torch.ops.onednn
        if codes.ndim == 2:
            self.opaque = pack.qlinear_prepack(codes, None)
        else:
            ones = [1, 1]
            self.opaque = pack.qconv_prepack(codes, scales, 1.0, 0, ones, [0, 0], ones, 1, None)

    def codes(self) -> Int8[Tensor, "o i ..."]:
        """The weight as it was given."""
        found = self.opaque.to_dense()
        return found.t() if found.ndim == 2 else found

    def linear(self, x: BFloat16[Tensor, "*n i"], bias: Tensor | None = None) -> BFloat16[Tensor, "*n o"]:
        """The weight's product with every row."""
        rounded, steps = self.rounder.rows(x.contiguous())
        weight = (self.opaque, self.scales, self.zeros)
        out = torch.ops.onednn.qlinear_pointwise(
            rounded, 1.0, 0, *weight, None, 1.0, 0, torch.bfloat16, "none", [], ""
        )
        return self.rounder.scaled(out, steps, None if bias is None else bias.to(torch.bfloat16))

    def convolution(
        self, x: BFloat16[Tensor, "b i h w"], bias: Tensor | None, how: Sequence[Sequence[int]]
    ) -> BFloat16[Tensor, "b o h2 w2"]:
        """The weight's product with every patch.

        Args:
            how: stride, padding and dilation, each of both sides.
        """
        rounded, step, zero = self.rounder.whole(x.contiguous(memory_format=torch.channels_last))
        weight = (self.opaque, self.scales, self.zeros)
        added = None if bias is None else bias.float()
        return torch.ops.onednn.qconv_pointwise(
            rounded, step, zero, *weight, added, *how, 1, 1.0, 0, torch.bfloat16, "none", [], ""
        )
