"""Image projections: what an image encoder says, as tokens that a UNet's cross-attention can look at.

Source: Ye et al. 2023, arXiv:2308.06721 (IP-Adapter), section 3.2; the resampler: Jaegle et al. 2021,
arXiv:2103.03206, as Alayrac et al. 2022, arXiv:2204.14198, section 3.1 uses it; layer names and sizes from
the published adapters' `image_proj.` tensors.

Words of the files: `proj` leads from the encoder to the tokens, `latents` are learnt questions, one for each
token, `to_kv` makes keys and values at once.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.errors import TensorMismatch
from gesso.networks.structure import Shapes, count, layer_norm, linear, parameter, under, wired

__all__ = ["EveryPatch", "FromFace", "FromPooled", "Projection", "Resampler", "image_projection"]

Reads = Literal["pooled", "patches", "face"]
"""What is projected: the whole picture's vector, every patch of the layer before the last, or a face."""

HEAD = 64
"""Channels of an attention head in every published resampler; shapes do not show it."""


class FromPooled(nn.Module):
    """The plain adapter's: the picture's one vector becomes a few tokens."""

    reads: Reads = "pooled"

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.proj = linear(shapes, "proj")
        self.norm = layer_norm(shapes, "norm")
        self.inputs, self.outputs = self.proj.in_features, self.norm.normalized_shape[0]

    def forward(self, seen: Float[Tensor, "b p"]) -> Float[Tensor, "b n d"]:
        """The tokens: 4 in the published files."""
        return self.norm(self.proj(seen).unflatten(-1, (-1, self.outputs)))


class FromFace(nn.Module):
    """The face adapters': a recognised face's one vector becomes a few tokens."""

    reads: Reads = "face"

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        wired(shapes, "proj.0", "proj.2")
        self.proj = nn.Sequential(linear(shapes, "proj.0"), nn.GELU(), linear(shapes, "proj.2"))
        self.norm = layer_norm(shapes, "norm")
        self.inputs, self.outputs = shapes["proj.0.weight"][1], self.norm.normalized_shape[0]

    def forward(self, seen: Float[Tensor, "b p"]) -> Float[Tensor, "b n d"]:
        """The tokens: 4 or 16 in the published files."""
        return self.norm(self.proj(seen).unflatten(-1, (-1, self.outputs)))


class EveryPatch(nn.Module):
    """The full-face adapter's: every patch becomes a token."""

    reads: Reads = "patches"

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        wired(shapes, "proj.0", "proj.2", "proj.3")
        self.proj = nn.Sequential(
            linear(shapes, "proj.0"), nn.GELU(), linear(shapes, "proj.2"), layer_norm(shapes, "proj.3")
        )
        self.inputs, self.outputs = shapes["proj.0.weight"][1], shapes["proj.3.weight"][0]

    def forward(self, seen: Float[Tensor, "b m c"]) -> Float[Tensor, "b m d"]:
        """The tokens: 257 in the published file."""
        return self.proj(seen)


class Looking(nn.Module):
    """Questions that look at the patches and at one another."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        wired(shapes, "norm1", "to_kv")
        wired(shapes, "norm2", "to_q", "to_out", "norm2")
        self.norm1 = layer_norm(shapes, "norm1")
        self.norm2 = layer_norm(shapes, "norm2")
        self.to_q = linear(shapes, "to_q")
        self.to_kv = linear(shapes, "to_kv")
        self.to_out = linear(shapes, "to_out")

    def forward(self, seen: Float[Tensor, "b m d"], asked: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        """What each question gathers."""
        asked = self.norm2(asked)
        keys_values = self.to_kv(torch.cat((self.norm1(seen), asked), dim=1)).chunk(2, dim=-1)
        q, k, v = (
            part.unflatten(-1, (-1, HEAD)).transpose(1, 2) for part in (self.to_q(asked), *keys_values)
        )
        return self.to_out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Resampler(nn.Module):
    """The plus adapters': a few learnt questions look at all patches, layer by layer."""

    reads: Reads = "patches"

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.latents = parameter(shapes, "latents", 3)
        self.proj_in = linear(shapes, "proj_in")
        self.proj_out = linear(shapes, "proj_out")
        self.norm_out = layer_norm(shapes, "norm_out")
        self.layers = nn.ModuleList(
            nn.ModuleList((Looking(under(shapes, f"layers.{i}.0.")), _thinking(shapes, f"layers.{i}.1")))
            for i in range(count(shapes, "layers"))
        )
        self.inputs, self.outputs = self.proj_in.in_features, self.proj_out.out_features

    def forward(self, seen: Float[Tensor, "b m c"]) -> Float[Tensor, "b n d"]:
        """The tokens: 16 in the published files."""
        seen = self.proj_in(seen)
        asked = self.latents.expand(len(seen), -1, -1)
        for looking, thinking in self.layers:  # pyright: ignore[reportGeneralTypeIssues] - a ModuleList of pairs
            asked = asked + looking(seen, asked)
            asked = asked + thinking(asked)
        return self.norm_out(self.proj_out(asked))


def _thinking(shapes: Shapes, name: str) -> nn.Sequential:
    """Each question by itself, numbered as in the file."""
    wired(shapes, f"{name}.0", f"{name}.1", f"{name}.3")
    return nn.Sequential(
        layer_norm(shapes, f"{name}.0"), linear(shapes, f"{name}.1"), nn.GELU(), linear(shapes, f"{name}.3")
    )


Projection = FromPooled | FromFace | EveryPatch | Resampler
"""A network that turns what is known of a picture into tokens.

It says what it `reads`, how wide that is (`inputs`), and how wide the tokens are (`outputs`).
"""

_KINDS: tuple[tuple[str, type[Projection]], ...] = (
    ("latents", Resampler),
    ("proj.weight", FromPooled),
    ("proj.3.weight", EveryPatch),
    ("proj.2.weight", FromFace),
)
"""The tensor that tells each kind; the first that is there decides."""


def image_projection(shapes: Shapes) -> Projection:
    """The projection that tensors call for, told by their names.

    Raises:
        TensorMismatch: no kind of projection has these tensors.
    """
    for name, kind in _KINDS:
        if name in shapes:
            return kind(shapes)
    raise TensorMismatch(
        f"an image projection must be of a known kind, however: it has {', '.join([*shapes][:5]) or 'none'}"
    )
