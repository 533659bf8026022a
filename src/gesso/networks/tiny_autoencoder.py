"""Tiny autoencoders: latents to pixels and back at a small share of the cost, nearly the same picture.

Source: Ole Bøer Bohan, "Tiny AutoEncoder for Stable Diffusion" (madebyollin/taesd): layers numbered as in the
published files, two halves that are files of their own. They take and give latents scaled for the denoiser.

Everything here is local, so that a band of rows decoded with enough rows around it equals the whole.
"""

from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.errors import OutOfMemory, TensorMismatch
from gesso.networks.autoencoder import Moments
from gesso.networks.structure import Shapes, conv, under

__all__ = ["TinyDecoder", "TinyEncoder"]

MAGNITUDE = 3.0
"""Latents farther out than this are drawn in, smoothly."""
CERTAIN = -30.0
"""Log-variance of an encoder that gives one answer: the smallest that the whole autoencoder's may have."""
ALIVE = 4
"""Maps of the widest size alive at once: a block's input, two within it, its result."""


class Clamp(nn.Module):
    """Latents drawn in to ±MAGNITUDE."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The latents, within bounds."""
        return torch.tanh(x / MAGNITUDE) * MAGNITUDE


class Block(nn.Module):
    """Three convolutions around which the input is added."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        first, second, third = (conv(shapes, f"conv.{i}") for i in (0, 2, 4))
        self.conv = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)
        self.skip = conv(shapes, "skip") if "skip.weight" in shapes else nn.Identity()
        self.fuse = nn.ReLU()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """The block's output, of the same size in pixels."""
        return self.fuse(self.conv(x) + self.skip(x))


class Tiny(nn.Sequential):
    """What both halves have in common: layers told by the tensors they have, or by having none.

    A convolution without a bias changes the size: it halves on the way in, and stands behind a doubling on
    the way out.

    Args:
        shapes: names and sizes relative to the half (`3.conv.0.weight`, ...).
    """

    scaled = True
    """Its latents are the denoiser's."""

    def __init__(self, shapes: Shapes) -> None:
        numbers = [name.partition(".")[0] for name in shapes]
        depth = max((int(number) + 1 for number in numbers if number.isdecimal()), default=0)
        super().__init__(*(self.layer(shapes, i) for i in range(depth)))

    def layer(self, shapes: Shapes, i: int) -> nn.Module:
        """The layer of a number."""
        raise NotImplementedError

    @property
    def factor(self) -> int:
        """How many pixels wide one latent cell is; 8 in the published files."""
        halvings = [each for each in self if isinstance(each, nn.Conv2d) and each.stride == (2, 2)]
        return 2 ** (len(halvings) + sum(isinstance(each, nn.Upsample) for each in self))

    @property
    def width(self) -> int:
        """The most channels of a map."""
        return max(each.out_channels for each in self.modules() if isinstance(each, nn.Conv2d))


class TinyEncoder(Tiny):
    """Pixels to latents, as the denoiser has them."""

    def layer(self, shapes: Shapes, i: int) -> nn.Module:
        """The layer of a number."""
        if f"{i}.conv.0.weight" in shapes:
            return Block(under(shapes, f"{i}."))
        return conv(shapes, f"{i}", stride=1 if f"{i}.bias" in shapes else 2)

    @property
    def channels(self) -> int:
        """Of its latents."""
        return _last(self).out_channels

    def encode(self, pixels: Float[Tensor, "b p H W"]) -> Moments:
        """The latents of a picture, without doubt about them.

        Args:
            pixels: -1 to 1; height and width multiples of `factor`.
        """
        latents = self(pixels / 2 + 0.5)
        return Moments(latents, torch.full_like(latents, CERTAIN))


class TinyDecoder(Tiny):
    """Latents, as the denoiser has them, to pixels."""

    def layer(self, shapes: Shapes, i: int) -> nn.Module:
        """The layer of a number."""
        if f"{i}.conv.0.weight" in shapes:
            return Block(under(shapes, f"{i}."))
        if i == 0:
            return Clamp()
        if f"{i}.weight" not in shapes and f"{i + 1}.conv.0.weight" in shapes:
            return nn.ReLU()
        if f"{i}.weight" not in shapes and f"{i + 1}.weight" in shapes:
            return nn.Upsample(scale_factor=2)
        return conv(shapes, f"{i}")

    @property
    def channels(self) -> int:
        """Of the latents that it takes."""
        first = next(each for each in self if isinstance(each, nn.Conv2d))
        return first.in_channels

    def decode(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b p H W"]:
        """The picture that latents stand for.

        Args:
            latents: scaled for the denoiser.

        Returns:
            Pixels, mostly within -1 to 1.
        """
        return self(latents) * 2 - 1

    def whole_bytes(self, latents: Float[Tensor, "b c h w"]) -> int:
        """About the bytes that decoding takes."""
        return latents.shape[0] * latents.shape[-2] * self._row(latents)

    @torch.no_grad()
    def banded(self, latents: Float[Tensor, "b c h w"], room: int) -> Float[Tensor, "b p H W"]:
        """`decode` within a given room, in bands that see as many rows around them as they need.

        Args:
            room: bytes that it may take beyond the weights and the latents.

        Raises:
            OutOfMemory: not even a band of one row fits.
        """
        height, side, reach = latents.shape[-2], self.factor, self.reach
        pixels = latents.shape[0] * 3 * height * latents.shape[-1] * side**2 * latents.element_size()
        rows = (room - pixels) // (latents.shape[0] * self._row(latents)) - 2 * reach
        if rows < 1:
            raise OutOfMemory(
                f"the tiny decoder must have room for {2 * reach + 1} rows of latents, however: there are "
                f"{room} bytes",
                hint="give it more memory (--memory), or paint a smaller picture",
            )
        found: list[Tensor] = []
        for top in range(0, height, rows):
            above, below = max(0, top - reach), min(height, top + rows + reach)
            band = self.decode(latents[:, :, above:below])
            start = (top - above) * side
            found.append(band[:, :, start : start + min(rows, height - top) * side])
        return torch.cat(found, dim=2)

    @property
    def reach(self) -> int:
        """Rows of latents to each side that a row of pixels depends on."""
        scale, far = 1, 0.0
        for each in self:
            scale *= 2 if isinstance(each, nn.Upsample) else 1
            inside = each.modules() if isinstance(each, Block | nn.Conv2d) else ()
            kernels = (layer.kernel_size[0] for layer in inside if isinstance(layer, nn.Conv2d))
            far += sum(kernel // 2 / scale for kernel in kernels)
        return ceil(far)

    def _row(self, latents: Tensor) -> int:
        """About the bytes that a row of latents takes on its way."""
        return ALIVE * self.width * latents.shape[-1] * self.factor**2 * latents.element_size()


def _last(half: Tiny) -> nn.Conv2d:
    last = half[-1]
    if not isinstance(last, nn.Conv2d):
        raise TensorMismatch(
            f"a tiny encoder must end in a convolution, however: it ends in {type(last).__name__}"
        )
    return last
