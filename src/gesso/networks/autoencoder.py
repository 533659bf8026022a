"""The autoencoder: pixels to latents and back, one latent cell for every 8 x 8 pixels.

Source: Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", section 3.1;
layer names and sizes from the checkpoints' `first_stage_model.` tensors.

Words of the file: `down.i` and `up.i` are the levels, 0 the one with the most pixels; `nin_shortcut` is the
1 x 1 convolution around a block that changes width; `quant_conv` mixes the channels of the latents.
"""

from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks.structure import Joined, Shapes, activated_norm, conv, count, group_norm, under, wired

__all__ = ["Autoencoder", "Moments"]

EPS = 1e-6


@dataclass(frozen=True, slots=True)
class Moments:
    """What the encoder says of a picture: a Gaussian for every latent number, not yet scaled."""

    mean: Float[Tensor, "b c h w"]
    logvar: Float[Tensor, "b c h w"]

    @classmethod
    def of(cls, stacked: Float[Tensor, "b c2 h w"]) -> "Moments":
        """Read what the network says: means, then log-variances, stacked along the channels."""
        mean, logvar = stacked.chunk(2, dim=1)
        # exp must stay finite in half precision: the limits of the published training code
        return cls(mean, logvar.clamp(-30.0, 20.0))

    def sample(self, noise: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """One draw, made from unit noise."""
        return self.mean + torch.exp(0.5 * self.logvar) * noise


class Residual(nn.Module):
    """Two normalised convolutions around which the input is added again."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        wired(shapes, "norm1", "conv1", "norm2", "conv2")
        self.norm1 = activated_norm(shapes, "norm1", EPS)
        self.conv1 = conv(shapes, "conv1")
        self.norm2 = activated_norm(shapes, "norm2", EPS)
        self.conv2 = conv(shapes, "conv2")
        self.nin_shortcut = conv(shapes, "nin_shortcut") if "nin_shortcut.weight" in shapes else None
        self.joined = Joined()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """The block's output, of the same size in pixels."""
        h = self.norm2(self.conv1(self.norm1(x)))
        around = x if self.nin_shortcut is None else self.nin_shortcut(x)
        return self.joined(around, self.conv2, h)


class Attention(nn.Module):
    """Every position looks at every other, with one head as wide as the picture is deep."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.norm = group_norm(shapes, "norm", EPS)
        self.q = conv(shapes, "q")
        self.k = conv(shapes, "k")
        self.v = conv(shapes, "v")
        self.proj_out = conv(shapes, "proj_out")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The same picture, informed by all of itself."""
        h = self.norm(x)
        q, k, v = (part(h).flatten(2).transpose(1, 2).unsqueeze(1) for part in (self.q, self.k, self.v))
        seen = functional.scaled_dot_product_attention(q, k, v)
        return x + self.proj_out(seen.squeeze(1).transpose(1, 2).unflatten(2, x.shape[-2:]))


class Middle(nn.Module):
    """The deepest level: a block, attention where the file has it, a block."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.block_1 = Residual(under(shapes, "block_1."))
        attention = under(shapes, "attn_1.")
        self.attn_1 = Attention(attention) if attention else None
        self.block_2 = Residual(under(shapes, "block_2."))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The middle's output, of the same shape."""
        x = self.block_1(x)
        x = x if self.attn_1 is None else self.attn_1(x)
        return self.block_2(x)


class Downsample(nn.Module):
    """Half the size. The file's weights expect one row and column of zeros at the far edges only."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv = conv(shapes, "conv", stride=2, padding=0)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """The picture at half its size."""
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice the size."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv = conv(shapes, "conv")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """The picture at twice its size."""
        return self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """The blocks that work at one size, and the way to the next size if there is one."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        blocks = range(count(shapes, "block"))
        self.block = nn.ModuleList(Residual(under(shapes, f"block.{i}.")) for i in blocks)
        smaller, larger = under(shapes, "downsample."), under(shapes, "upsample.")
        self.downsample = Downsample(smaller) if smaller else None
        self.upsample = Upsample(larger) if larger else None

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        """The level's output, already at the size of the next level."""
        for block in self.block:
            x = block(x)
        if self.downsample is not None:
            x = self.downsample(x)
        return x if self.upsample is None else self.upsample(x)


class Encoder(nn.Module):
    """Pixels to the mean and log-variance of latents."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv_in = conv(shapes, "conv_in")
        levels = range(count(shapes, "down"))
        self.down = nn.ModuleList(Level(under(shapes, f"down.{i}.")) for i in levels)
        self.mid = Middle(under(shapes, "mid."))
        self.norm_out = activated_norm(shapes, "norm_out", EPS)
        self.conv_out = conv(shapes, "conv_out")

    def forward(self, pixels: Float[Tensor, "b p H W"]) -> Float[Tensor, "b c2 h w"]:
        """Means, then log-variances, stacked along the channels."""
        x = self.conv_in(pixels)
        for level in self.down:
            x = level(x)
        return self.conv_out(self.norm_out(self.mid(x)))


class Decoder(nn.Module):
    """Latents to pixels."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv_in = conv(shapes, "conv_in")
        self.mid = Middle(under(shapes, "mid."))
        levels = range(count(shapes, "up"))
        self.up = nn.ModuleList(Level(under(shapes, f"up.{i}.")) for i in levels)
        self.norm_out = activated_norm(shapes, "norm_out", EPS)
        self.conv_out = conv(shapes, "conv_out")

    def forward(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b p H W"]:
        """Pixels, mostly within -1 to 1."""
        x = self.mid(self.conv_in(latents))
        # the file counts levels from the most pixels, the decoder starts from the fewest
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(self.norm_out(x))


class Autoencoder(nn.Module):
    """Pixels to latents and back, as wide and deep as the file's tensors.

    Args:
        shapes: names and sizes relative to the network (`encoder.conv_in.weight`, ...).
    """

    scaled = False
    """Its latents are scaled before the denoiser gets them."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.encoder = Encoder(under(shapes, "encoder."))
        self.decoder = Decoder(under(shapes, "decoder."))
        self.quant_conv = conv(shapes, "quant_conv") if "quant_conv.weight" in shapes else nn.Identity()
        after = "post_quant_conv"
        self.post_quant_conv = conv(shapes, after) if f"{after}.weight" in shapes else nn.Identity()

    @property
    def factor(self) -> int:
        """How many pixels wide one latent cell is; 8 in the published files."""
        return 2 ** sum(cast(Level, level).downsample is not None for level in self.encoder.down)

    def encode(self, pixels: Float[Tensor, "b p H W"]) -> Moments:
        """The Gaussian over latents that stands for a picture.

        Args:
            pixels: -1 to 1; height and width multiples of `factor`.
        """
        return Moments.of(self.quant_conv(self.encoder(pixels)))

    def decode(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b p H W"]:
        """The picture that latents stand for.

        Args:
            latents: unscaled, as `encode` gives them.

        Returns:
            Pixels, mostly within -1 to 1.
        """
        return self.decoder(self.post_quant_conv(latents))
