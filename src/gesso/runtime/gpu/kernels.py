"""The kernels of graphics cards, called with tensors: in half precision or bfloat16, channels last.

Source: Tillet et al. 2019, "Triton: an intermediate language and compiler for tiled neural network
computations"; Chan et al. 1979, "Updating formulae and a pairwise algorithm for computing sample variances".
"""

import math
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["FEW", "NARROW", "CardKernels", "card_kernels"]

NARROW = (torch.float16, torch.bfloat16)
"""What the kernels compute with; in float32, torch's own are in force."""
TILES = 64
"""Tiles whose shares are read at once."""
MOST = 256
"""Tiles of a map; larger maps have larger ones."""
NUMBERS = 1024
"""Numbers that are gated by one program."""
ROWS = 4
"""Rows of tokens that one program normalises."""
QUERIES, KEYS = 128, 32
"""Queries of one program, and keys that it looks at at once."""
FEW = 256
"""Keys up to which its attention is faster than that of libraries."""


def card_kernels() -> "CardKernels | None":
    """The kernels, where Triton is installed, as it is with torch for NVIDIA's and AMD's cards."""
    if find_spec("triton") is None:
        return None
    return CardKernels(import_module("gesso.runtime.gpu.triton_kernels"))


@dataclass(frozen=True)
class CardKernels:
    """What Triton compiles at the first call, and keeps in its own cache between runs.

    Args:
        compiled: gesso.runtime.gpu.triton_kernels.
        kind: of the devices that it is compiled for.
    """

    compiled: Any
    kind: str = "cuda"

    def fits(self, *tensors: Tensor) -> bool:
        """Whether the kernels are for such numbers."""
        narrow = all(each.dtype in NARROW and each.device.type == self.kind for each in tensors)
        return narrow and not torch.is_grad_enabled()

    def group_norm(
        self,
        x: Float[Tensor, "b c h w"],
        layer: nn.GroupNorm,
        shift: Float[Tensor, "b c"] | None = None,
        *,
        activate: bool,
    ) -> Float[Tensor, "b c h w"]:
        """Group normalisation.

        Args:
            x: channels last.
            shift: added to every position before; its numbers lie together in each row.
            activate: whether a SiLU follows.
        """
        known, out = self.compiled, torch.empty_like(x)
        rows, channels, pixels = x.shape[0], x.shape[1], x.shape[2] * x.shape[3]
        groups, width = layer.num_groups, channels // layer.num_groups
        tiles, parts = -(-pixels // known.TILE), -(-channels // known.SHARE)
        together = -(-tiles // MOST)
        tall = -(-tiles // together)
        means = x.new_empty((2, rows, tall, channels), dtype=torch.float32)
        found = x.new_empty((2, rows, groups), dtype=torch.float32)
        given = x if shift is None else shift
        step = given.stride(0)
        how = {"SHIFTED": shift is not None, "P": known.TILE, "C": known.SHARE}
        known.shares[(tall, parts, rows)](x, given, *means, step, pixels, channels, tall, L=together, **how)
        side = 1 << (width - 1).bit_length()
        shape = {"T": TILES, "P": known.TILE * together, "W": side}
        known.combined[(groups, rows)](*means, *found, pixels, channels, tall, width, layer.eps, **shape)
        known.normalised[(tiles, parts, rows)](
            x, given, layer.weight, layer.bias, *found, out, step, pixels, channels, groups, width,
            ACTIVATE=activate, **how,
        )  # fmt: skip
        return out

    def layer_norm(self, x: Float[Tensor, "*n d"], layer: nn.LayerNorm) -> Float[Tensor, "*n d"]:
        """Normalisation of each row by itself; x is contiguous."""
        out = torch.empty_like(x)
        rows, width = x.shape[:-1].numel(), x.shape[-1]
        side = 1 << (width - 1).bit_length()
        call = self.compiled.rows_normalised[(-(-rows // ROWS),)]
        call(x, layer.weight, layer.bias, out, rows, width, layer.eps, R=ROWS, W=side)
        return out

    def gate(self, x: Float[Tensor, "*n d2"], out: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """The first half of each row times the GELU of the second, into `out`; both are contiguous."""
        self.compiled.gated[(-(-out.numel() // NUMBERS),)](x, out, out.numel(), out.shape[-1], N=NUMBERS)
        return out

    def added(
        self, x: Float[Tensor, "b ..."], y: Float[Tensor, "b ..."], bias: Float[Tensor, " c"] | None = None
    ) -> Float[Tensor, "b ..."]:
        """Both and a bias of their innermost numbers, rounded once; x and y lie alike, without gaps."""
        out = torch.empty_like(x)
        width, call = 1 if bias is None else len(bias), self.compiled.added[(-(-x.numel() // NUMBERS),)]
        call(x, y, x if bias is None else bias, out, x.numel(), width, BIASED=bias is not None, N=NUMBERS)
        return out

    def added_norm(
        self, x: Float[Tensor, "*n d"], y: Float[Tensor, "*n d"], layer: nn.LayerNorm
    ) -> tuple[Float[Tensor, "*n d"], Float[Tensor, "*n d"]]:
        """Both together, and that normalised row by row; x and y are contiguous."""
        total, out = torch.empty_like(x), torch.empty_like(x)
        rows, width = x.shape[:-1].numel(), x.shape[-1]
        side = 1 << (width - 1).bit_length()
        call = self.compiled.added_normalised[(-(-rows // ROWS),)]
        call(x, y, layer.weight, layer.bias, total, out, rows, width, layer.eps, R=ROWS, W=side)
        return total, out

    def attend(
        self, q: Float[Tensor, "b n d"], k: Float[Tensor, "b m d"], v: Float[Tensor, "b m d"], heads: int
    ) -> Float[Tensor, "b n d"]:
        """Attention of many queries to few keys and values, each as the projections leave them.

        Source: Dao et al. 2022, arXiv:2205.14135, algorithm 1.

        Args:
            heads: which share the numbers of a token evenly.
        """
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        rows, queries, across = q.shape
        width = across // heads
        side = max(16, 1 << (width - 1).bit_length())
        steps = [step for each in (q, k, v) for step in each.stride()[:2]]
        call = self.compiled.attended[(-(-queries // QUERIES), heads, rows)]
        # in powers of two, which cards have an instruction for
        scale = width**-0.5 * math.log2(math.e)
        call(q, k, v, out, *steps, queries, k.shape[1], width, scale, N=QUERIES, M=KEYS, W=side)
        return out

    def placed(
        self, four: Float[Tensor, "b d h1 w1"], bias: Float[Tensor, " c"] | None
    ) -> Float[Tensor, "b c h2 w2"]:
        """Four maps, each of every second pixel of every second row, put in their places; channels last.

        Args:
            four: one after another along the channels, each with a further row and column: the left upper one
                begins at the first pixel, the right lower one at the second of the second row.
            bias: added to every pixel.
        """
        rows, channels = four.shape[0], four.shape[1] // 4
        height, width = four.shape[2] - 1, four.shape[3] - 1
        size, last = (rows, channels, 2 * height, 2 * width), torch.channels_last
        out = torch.empty(size, dtype=four.dtype, device=four.device, memory_format=last)
        known = self.compiled
        parts = (-(-4 * height * width // known.TILE), -(-channels // known.SHARE), rows)
        how = {"BIASED": bias is not None, "P": known.TILE, "C": known.SHARE}
        known.placed[parts](four, four if bias is None else bias, out, height, width, channels, **how)
        return out
