"""The CLIP text encoder: the only one of v1, the first of SDXL.

Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision"; layer
names and sizes from the checkpoints' `cond_stage_model.transformer.` tensors.

Words of the file: `fc1` and `fc2` are the feed-forward part, `layer_norm1` comes before attention.
"""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks.structure import Shapes, count, embedding, layer_norm, linear, under, wired
from gesso.networks.text_states import TextStates, at_end_of_text

__all__ = ["Activation", "ClipText", "Encoder", "QuickGelu"]

Activation = Literal["quick_gelu", "gelu"]


def quick_gelu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """A sigmoid's approximation of gelu, which the encoder of v1 was trained with.

    Source: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", section 2.
    """
    return x * torch.sigmoid(1.702 * x)


class QuickGelu(nn.Module):
    """The same as a layer without weights."""

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Each number by itself."""
        return quick_gelu(x)


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "quick_gelu": quick_gelu,
    "gelu": functional.gelu,
}


class Embeddings(nn.Module):
    """Tokens to vectors, plus where they stand."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.token_embedding = embedding(shapes, "token_embedding")
        self.position_embedding = embedding(shapes, "position_embedding")

    def forward(self, tokens: Int[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """The embedded words."""
        return self.token_embedding(tokens) + self.position_embedding.weight[: tokens.shape[-1]]


class SelfAttention(nn.Module):
    """Each token looks at itself and those before it, or at all of them."""

    def __init__(self, shapes: Shapes, heads: Callable[[int], int], *, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.k_proj = linear(shapes, "k_proj")
        self.v_proj = linear(shapes, "v_proj")
        self.q_proj = linear(shapes, "q_proj")
        self.out_proj = linear(shapes, "out_proj")
        self.heads = heads(self.q_proj.out_features)

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """What each token gathers."""
        q, k, v = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        gathered = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out_proj(gathered.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Each token thinks for itself."""

    def __init__(self, shapes: Shapes, activation: Activation) -> None:
        super().__init__()
        self.fc1 = linear(shapes, "fc1")
        self.fc2 = linear(shapes, "fc2")
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """The tokens after thinking."""
        return self.fc2(self.activation(self.fc1(x)))


class Layer(nn.Module):
    """Attention and feed-forward, each normalised before and added after."""

    def __init__(
        self, shapes: Shapes, heads: Callable[[int], int], activation: Activation, *, causal: bool
    ) -> None:
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj"):
            wired(shapes, "layer_norm1", f"self_attn.{name}", "self_attn.out_proj", "layer_norm2")
        wired(shapes, "layer_norm2", "mlp.fc1", "mlp.fc2", "layer_norm1")
        self.self_attn = SelfAttention(under(shapes, "self_attn."), heads, causal=causal)
        self.layer_norm1 = layer_norm(shapes, "layer_norm1")
        self.mlp = FeedForward(under(shapes, "mlp."), activation)
        self.layer_norm2 = layer_norm(shapes, "layer_norm2")

    def forward(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """The tokens after the layer."""
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):
    """The layers, under the name the file gives them.

    Args:
        causal: whether no token sees those after it, as in text.
    """

    def __init__(
        self, shapes: Shapes, heads: Callable[[int], int], activation: Activation, *, causal: bool
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Layer(under(shapes, f"layers.{i}."), heads, activation, causal=causal)
            for i in range(count(shapes, "layers"))
        )

    def forward(self, x: Float[Tensor, "b n d"]) -> tuple[Float[Tensor, "b n d"], ...]:
        """The input, then the output of every layer."""
        hidden = [x]
        for layer in self.layers:
            hidden.append(layer(hidden[-1]))
        return tuple(hidden)


class TextModel(nn.Module):
    """All but the projection, under the name the file gives it."""

    def __init__(self, shapes: Shapes, heads: Callable[[int], int], activation: Activation) -> None:
        super().__init__()
        self.embeddings = Embeddings(under(shapes, "embeddings."))
        self.encoder = Encoder(under(shapes, "encoder."), heads, activation, causal=True)
        self.final_layer_norm = layer_norm(shapes, "final_layer_norm")

    def forward(self, tokens: Int[Tensor, "b n"]) -> tuple[Float[Tensor, "b n d"], ...]:
        """The embedded words, then the output of every layer."""
        return self.encoder(self.embeddings(tokens))


class ClipText(nn.Module):
    """A text encoder in the CLIP layout, as wide, deep and long as the file's tensors.

    Args:
        shapes: names and sizes relative to the network (`text_model.final_layer_norm.weight`, ...).
        heads: width to number of attention heads.
        activation: of the feed-forward parts; OpenAI's encoder has quick_gelu, others gelu.
    """

    def __init__(self, shapes: Shapes, heads: Callable[[int], int], activation: Activation) -> None:
        super().__init__()
        self.text_model = TextModel(under(shapes, "text_model."), heads, activation)
        project = "text_projection"
        self.text_projection = linear(shapes, project) if f"{project}.weight" in shapes else nn.Identity()

    @property
    def positions(self) -> int:
        """How many tokens it reads at once; 77 in the published files."""
        return self.text_model.embeddings.position_embedding.num_embeddings

    @property
    def vocabulary(self) -> int:
        """How many tokens it knows; 49408 in the published files."""
        return self.text_model.embeddings.token_embedding.num_embeddings

    def final_norm(self, hidden: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """Any layer's states as the last norm would leave them."""
        return self.text_model.final_layer_norm(hidden)

    def forward(self, tokens: Int[Tensor, "b n"]) -> TextStates:
        """The prompt after every layer, and as one vector.

        Args:
            tokens: start-of-text, words, end-of-text, padding; at most `positions` of them.
        """
        hidden = self.text_model(tokens)
        pooled = at_end_of_text(self.final_norm(hidden[-1]), tokens)
        return TextStates(hidden, self.text_projection(pooled))
