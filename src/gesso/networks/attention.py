"""The transformer inside the UNet: where the picture looks at itself and at the prompt.

Source: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", section 3.3;
layer names and sizes from the checkpoints' `model.diffusion_model.` tensors.

Words of the file: `attn1` looks at the picture, `attn2` at the context, `ff` is the feed-forward part,
`proj_in` and `proj_out` lead from pixels to tokens and back (a 1 x 1 convolution in v1, linear later).
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks.structure import Joined, Shapes, conv, count, group_norm, layer_norm, linear, under, wired

__all__ = [
    "Attention",
    "GatedProjection",
    "Gather",
    "Heads",
    "SpatialTransformer",
    "Technique",
    "TransformerBlock",
    "around",
]

Heads = Callable[[int], int]
"""Width to number of attention heads: the one thing about attention that shapes cannot tell."""


Gather = Callable[[Tensor, Tensor], Tensor]
"""(x [b n d], context [b m c]) → what each token of x gathers from the context, before `to_out`, [b n d]."""


class Attention(nn.Module):
    """Multi-head attention of tokens to tokens.

    What it does is `looked`, unless a technique takes its place for a while by `around`.
    """

    def __init__(self, shapes: Shapes, heads: Heads) -> None:
        super().__init__()
        for name in ("to_q", "to_k", "to_v"):
            wired(shapes, name, "to_out.0", "to_q")
        self.to_q = linear(shapes, "to_q")
        self.to_k = linear(shapes, "to_k")
        self.to_v = linear(shapes, "to_v")
        # the file numbers the output projection and a dropout after it
        self.to_out = nn.Sequential(linear(shapes, "to_out.0"), nn.Identity())
        self.heads = heads(self.to_q.out_features)
        # not `looked` itself: a layer that refers to itself would outlive its model until the next collection
        self.gather: Gather | None = None

    def forward(self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m c"]) -> Float[Tensor, "b n d"]:
        """The tokens of `x`, told by those of `context`."""
        return self.to_out((self.gather or self.looked)(x, context))

    def looked(self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m c"]) -> Float[Tensor, "b n d"]:
        """What each token of `x` gathers from the tokens of `context`."""
        return self.attend(self.to_q(x), self.to_k(context), self.to_v(context))

    def attend(
        self, q: Float[Tensor, "b n d"], k: Float[Tensor, "b m d"], v: Float[Tensor, "b m d"]
    ) -> Float[Tensor, "b n d"]:
        """Values by how well their keys answer each query."""
        q, k, v = (self.split(part) for part in (q, k, v))
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)

    def split(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b h n e"]:
        """Tokens by heads."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


Technique = Callable[[Attention, Gather, Tensor, Tensor], Tensor]
"""(the layer, what it did until now, x, context) → what it gathers instead."""


@contextmanager
def around(layer: Attention, technique: Technique) -> Generator[None]:
    """Let a technique gather for an attention layer while the block runs; techniques stack."""
    before = layer.gather
    layer.gather = partial(technique, layer, before or layer.looked)
    try:
        yield
    finally:
        layer.gather = before


class GatedProjection(nn.Module):
    """A linear layer whose one half opens and closes the other.

    Source: Shazeer 2020, "GLU Variants Improve Transformer", GEGLU.
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.proj = linear(shapes, "proj")

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n e"]:
        """The gated tokens."""
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * functional.gelu(gate)


class FeedForward(nn.Module):
    """Each token thinks for itself."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        wired(shapes, "net.0.proj", "net.2", halves=True)
        # index 1 was a dropout in the code that wrote the files
        self.net = nn.Sequential(
            GatedProjection(under(shapes, "net.0.")), nn.Identity(), linear(shapes, "net.2")
        )

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """The tokens after thinking."""
        return self.net(x)


class TransformerBlock(nn.Module):
    """Look at the picture, look at the context, think; each added to what was there."""

    def __init__(self, shapes: Shapes, heads: Heads) -> None:
        super().__init__()
        wired(shapes, "norm1", "attn1.to_q", "norm2", "attn2.to_q", "norm3", "ff.net.0.proj")
        wired(shapes, "norm1", "attn1.to_k")
        wired(shapes, "norm1", "attn1.to_v")
        wired(shapes, "ff.net.2", "norm1")
        self.attn1 = Attention(under(shapes, "attn1."), heads)
        self.ff = FeedForward(under(shapes, "ff."))
        self.attn2 = Attention(under(shapes, "attn2."), heads)
        self.norm1 = layer_norm(shapes, "norm1")
        self.norm2 = layer_norm(shapes, "norm2")
        self.norm3 = layer_norm(shapes, "norm3")
        self.joined = Joined()

    def forward(self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m c"]) -> Float[Tensor, "b n d"]:
        """The tokens after the block."""
        seen = self.norm1(x)
        x = self.joined(x, self.attn1, seen, seen)
        x = self.joined(x, self.attn2, self.norm2(x), context)
        return self.joined(x, self.ff, self.norm3(x))


class SpatialTransformer(nn.Module):
    """Transformer blocks over the positions of a picture."""

    def __init__(self, shapes: Shapes, heads: Heads) -> None:
        super().__init__()
        self.norm = group_norm(shapes, "norm", 1e-6)
        self.linear = len(shapes.get("proj_in.weight", ())) == 2
        project = linear if self.linear else conv
        self.proj_in = project(shapes, "proj_in")
        blocks = range(count(shapes, "transformer_blocks"))
        for i in blocks:
            wired(shapes, "norm", "proj_in", f"transformer_blocks.{i}.norm1", "proj_out", "norm")
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(under(shapes, f"transformer_blocks.{i}."), heads) for i in blocks
        )
        self.proj_out = project(shapes, "proj_out")
        self.joined = Joined()

    def forward(
        self, x: Float[Tensor, "b c h w"], context: Float[Tensor, "b m d"]
    ) -> Float[Tensor, "b c h w"]:
        """The picture after its positions looked at one another and at the context."""
        size = x.shape[-2:]
        tokens = self.thought(self.inward(self.norm(x)), context)
        if not self.linear:
            return self.joined(x, self.proj_out, tokens.transpose(1, 2).unflatten(2, size))
        seen = self.joined(x.flatten(2).transpose(1, 2), self.proj_out, tokens)
        return seen.transpose(1, 2).unflatten(2, size)

    def thought(
        self, tokens: Float[Tensor, "b n d"], context: Float[Tensor, "b m c"]
    ) -> Float[Tensor, "b n d"]:
        """The tokens after all blocks."""
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        return tokens

    def inward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n d"]:
        """Positions to tokens: no copy when the picture is stored channels last."""
        if self.linear:
            return self.proj_in(x.flatten(2).transpose(1, 2))
        return self.proj_in(x).flatten(2).transpose(1, 2)
