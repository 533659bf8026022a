"""The OpenCLIP text encoder: the only one of v2 and of SDXL's refiner, the second of SDXL.

Source: Cherti et al. 2022, "Reproducible Scaling Laws for Contrastive Language-Image Learning"; layer names
and sizes from the checkpoints' `cond_stage_model.model.` and `conditioner.embedders.1.model.` tensors.

Words of the file: `in_proj` makes queries, keys and values at once, `c_fc` and `c_proj` are the feed-forward
part, `logit_scale` belongs to training alone and is only kept.
"""

from collections import OrderedDict
from collections.abc import Callable

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks.structure import Shapes, count, embedding, layer_norm, linear, parameter, under
from gesso.networks.text_states import TextStates, at_end_of_text

__all__ = ["OpenClipText", "PackedLinear", "ResidualBlock", "Transformer"]


class PackedLinear(nn.Module):
    """The linear layer whose weights the file keeps beside it: a place of its own to add to its output."""

    def forward(
        self, x: Float[Tensor, "b n d"], weight: Float[Tensor, "e d"], bias: Float[Tensor, " e"]
    ) -> Float[Tensor, "b n e"]:
        """The tokens, projected."""
        return functional.linear(x, weight, bias)


class SelfAttention(nn.Module):
    """Each token looks at itself and those before it, or at all of them."""

    def __init__(self, shapes: Shapes, heads: Callable[[int], int], *, causal: bool = True) -> None:
        super().__init__()
        self.in_proj_weight = parameter(shapes, "in_proj_weight", 2)
        self.in_proj_bias = parameter(shapes, "in_proj_bias", 1)
        self.in_proj = PackedLinear()
        self.out_proj = linear(shapes, "out_proj")
        self.heads = heads(self.out_proj.out_features)
        self.causal = causal

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """What each token gathers."""
        packed = self.in_proj(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in packed.chunk(3, dim=-1))
        gathered = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out_proj(gathered.transpose(1, 2).flatten(2))


class ResidualBlock(nn.Module):
    """Attention and feed-forward, each normalised before and added after.

    Args:
        shapes: names and sizes relative to the block.
        heads: width to number of attention heads.
        causal: whether a token only looks at those before it.
        gelu: what lies between the two halves of the feed-forward part; GELU unless given.
    """

    def __init__(
        self,
        shapes: Shapes,
        heads: Callable[[int], int],
        *,
        causal: bool = True,
        gelu: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.attn = SelfAttention(under(shapes, "attn."), heads, causal=causal)
        self.ln_1 = layer_norm(shapes, "ln_1")
        self.ln_2 = layer_norm(shapes, "ln_2")
        self.mlp = nn.Sequential(
            OrderedDict(
                c_fc=linear(shapes, "mlp.c_fc"), gelu=gelu or nn.GELU(), c_proj=linear(shapes, "mlp.c_proj")
            )
        )

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """The tokens after the block."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """The blocks, under the name the file gives them; see `ResidualBlock` for how they are built."""

    def __init__(
        self,
        shapes: Shapes,
        heads: Callable[[int], int],
        *,
        causal: bool = True,
        gelu: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(
            ResidualBlock(under(shapes, f"resblocks.{i}."), heads, causal=causal, gelu=gelu)
            for i in range(count(shapes, "resblocks"))
        )

    def forward(self, x: Float[Tensor, "b n d"]) -> tuple[Float[Tensor, "b n d"], ...]:
        """The input, then the output of every block."""
        hidden = [x]
        for block in self.resblocks:
            hidden.append(block(hidden[-1]))
        return tuple(hidden)


class OpenClipText(nn.Module):
    """A text encoder in the OpenCLIP layout, as wide, deep and long as the file's tensors.

    Args:
        shapes: names and sizes relative to the network (`ln_final.weight`, ...).
        heads: width to number of attention heads.
    """

    def __init__(self, shapes: Shapes, heads: Callable[[int], int]) -> None:
        super().__init__()
        self.positional_embedding = parameter(shapes, "positional_embedding", 2)
        project = "text_projection"
        self.text_projection = parameter(shapes, project, 2) if project in shapes else None
        self.logit_scale = parameter(shapes, "logit_scale", 0) if "logit_scale" in shapes else None
        self.token_embedding = embedding(shapes, "token_embedding")
        self.transformer = Transformer(under(shapes, "transformer."), heads)
        self.ln_final = layer_norm(shapes, "ln_final")

    @property
    def positions(self) -> int:
        """How many tokens it reads at once; 77 in the published files."""
        return self.positional_embedding.shape[0]

    @property
    def vocabulary(self) -> int:
        """How many tokens it knows; 49408 in the published files."""
        return self.token_embedding.num_embeddings

    def final_norm(self, hidden: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Any block's states as the last norm would leave them."""
        return self.ln_final(hidden)

    def forward(self, tokens: Int[Tensor, "b n"]) -> TextStates:
        """The prompt after every block, and as one vector.

        Args:
            tokens: start-of-text, words, end-of-text, padding; at most `positions` of them.
        """
        words = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[-1]]
        hidden = self.transformer(words)
        pooled = at_end_of_text(self.final_norm(hidden[-1]), tokens)
        return TextStates(hidden, pooled if self.text_projection is None else pooled @ self.text_projection)
