"""The autoencoder as a chain of links, each local once it knows what it must of the whole picture."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks.autoencoder import Attention, Autoencoder, Level, Middle, Residual
from gesso.networks.rows import (
    Bands,
    ChannelMoments,
    Rows,
    Window,
    convolved,
    doubled,
    twinned,
)

__all__ = ["Attend", "Convolve", "Link", "Picture", "Size", "Stream", "decoding", "encoding"]

Stream = Callable[[Iterator[Rows]], Iterator[Rows]]
"""A local operation on feature maps that pass by in bands of rows."""


@dataclass(frozen=True)
class Size:
    """How large the feature maps between two links are.

    Args:
        channels: of each map.
        height: rows.
        width: columns.
    """

    channels: tuple[int, ...]
    height: int
    width: int

    @property
    def pixels(self) -> int:
        """Positions of a map."""
        return self.height * self.width

    @property
    def numbers(self) -> int:
        """Numbers in all maps."""
        return sum(self.channels) * self.pixels


@dataclass(frozen=True)
class Picture:
    """What a link may ask of the whole picture before it becomes local.

    Args:
        again: its whole input, from the top, as often as it is called.
        size: of that input.
        moments: of that input's last map, where they are known already.
        limit: the most bytes of a band inside the link, but never less than one row.
    """

    again: Callable[[], Iterator[Rows]]
    size: Size
    moments: ChannelMoments | None
    limit: int

    def normalise(self, norm: nn.GroupNorm) -> Callable[[Tensor], Tensor]:
        """Group normalisation with the whole picture's statistics, for any of its bands."""
        return (self.moments or ChannelMoments().drained(self.again())).normalise(norm)


@dataclass(frozen=True)
class Convolve:
    """A convolution with what stands before it and what becomes of its result.

    Args:
        window: the convolution.
        norm: normalises its input, a SiLU behind it.
        double: its input is first enlarged to twice the size.
        forks: its input goes on beside its result.
        joins: its result is added to what went on beside its input.
        shortcut: changes what went on beside, before it is added.
    """

    window: Window
    norm: nn.GroupNorm | None = None
    double: bool = False
    forks: bool = False
    joins: bool = False
    shortcut: nn.Conv2d | None = None

    def after(self, size: Size) -> Size:
        """The size of what comes out."""
        height, width = (
            (2 if self.double else 1) * side // self._shrink for side in (size.height, size.width)
        )
        kept = size.channels[:1] if self.forks else ()
        return Size((*kept, self.window.conv.out_channels), height, width)

    def kept(self, size: Size) -> int:  # noqa: ARG002 - as its kin is called
        """Numbers it must hold of the whole picture; statistics are too few to count."""
        return 0

    def row(self, size: Size) -> int:
        """Numbers in the longest row that it works on."""
        after = self.after(size)
        return max(
            sum(size.channels) * (after.width if self.double else size.width),
            sum(after.channels) * after.width,
        )

    def ready(self, picture: Picture) -> Stream:
        """The operation, once it knows what it must of the whole picture."""
        before = None if self.norm is None else picture.normalise(self.norm)
        limit, height = picture.limit, picture.size.height * (2 if self.double else 1)

        def through(bands: Bands) -> Bands:
            if before is not None:
                bands = map(_activated, map(before, bands))
            return convolved(doubled(bands, limit) if self.double else bands, self.window, height, limit)

        return lambda rows: self._placed(rows, through)

    @property
    def _shrink(self) -> int:
        return self.window.conv.stride[0]

    def _placed(self, rows: Iterator[Rows], through: Callable[[Bands], Bands]) -> Iterator[Rows]:
        if self.forks:
            return twinned(rows, through)
        if self.joins:
            return map(self._joined, twinned(rows, through))
        return zip(through(map(itemgetter(-1), rows)))

    def _joined(self, pair: tuple[Tensor, Tensor]) -> Rows:
        beside = pair[0] if self.shortcut is None else self.shortcut(pair[0])
        return (pair[1].add_(beside),)


@dataclass(frozen=True)
class Attend:
    """Attention: the keys and values of the whole picture are held, the queries pass by."""

    layer: Attention

    @property
    def norm(self) -> nn.GroupNorm:
        """Normalises its input."""
        return self.layer.norm

    def after(self, size: Size) -> Size:
        """The size of what comes out."""
        return size

    def kept(self, size: Size) -> int:
        """Numbers it must hold of the whole picture."""
        return (self.layer.k.out_channels + self.layer.v.out_channels) * size.pixels

    def row(self, size: Size) -> int:
        """Numbers in the longest row that it works on."""
        return size.channels[-1] * size.width

    def ready(self, picture: Picture) -> Stream:
        """The operation, once it knows what it must of the whole picture."""
        normalise = picture.normalise(self.norm)
        like = self.layer.k.weight
        k = like.new_empty((1, 1, picture.size.pixels, self.layer.k.out_channels))
        v = like.new_empty((1, 1, picture.size.pixels, self.layer.v.out_channels))
        start = 0
        for (band,) in picture.again():
            normal = normalise(band)
            end = start + band.shape[2] * band.shape[3]
            k[:, :, start:end] = _tokens(self.layer.k(normal))
            v[:, :, start:end] = _tokens(self.layer.v(normal))
            start = end

        def attended(rows: Rows) -> Rows:
            (band,) = rows
            seen = functional.scaled_dot_product_attention(_tokens(self.layer.q(normalise(band))), k, v)
            return (band + self.layer.proj_out(seen[0].transpose(1, 2).unflatten(2, band.shape[-2:])),)

        return lambda rows: map(attended, rows)


Link = Convolve | Attend


def encoding(network: Autoencoder) -> list[Link]:
    """The links from pixels to means and log-variances."""
    encoder = network.encoder
    links: list[Link] = [Convolve(Window.of(encoder.conv_in))]
    for level in encoder.down:
        links += _level(cast(Level, level))
    return [
        *links,
        *_middle(encoder.mid),
        Convolve(Window.of(encoder.conv_out), encoder.norm_out),
        *_mixing(network.quant_conv),
    ]


def decoding(network: Autoencoder) -> list[Link]:
    """The links from unscaled latents to pixels."""
    decoder = network.decoder
    links = [*_mixing(network.post_quant_conv), Convolve(Window.of(decoder.conv_in)), *_middle(decoder.mid)]
    for level in reversed(decoder.up):
        links += _level(cast(Level, level))
    return [*links, Convolve(Window.of(decoder.conv_out), decoder.norm_out)]


def _mixing(layer: nn.Module) -> list[Link]:
    return [Convolve(Window.of(layer))] if isinstance(layer, nn.Conv2d) else []


def _middle(middle: Middle) -> list[Link]:
    attention = [] if middle.attn_1 is None else [Attend(middle.attn_1)]
    return [*_residual(middle.block_1), *attention, *_residual(middle.block_2)]


def _level(level: Level) -> list[Link]:
    links = [link for block in level.block for link in _residual(cast(Residual, block))]
    if level.downsample is not None:
        # zeros at the far edges only
        links.append(Convolve(Window(level.downsample.conv, (0, 1), (0, 1))))
    if level.upsample is not None:
        links.append(Convolve(Window.of(level.upsample.conv), double=True))
    return links


def _residual(block: Residual) -> list[Link]:
    enter = Convolve(Window.of(block.conv1), block.norm1, forks=True)
    leave = Convolve(Window.of(block.conv2), block.norm2, joins=True, shortcut=block.nin_shortcut)
    return [enter, leave]


def _activated(band: Tensor) -> Tensor:
    return functional.silu(band, inplace=True)


def _tokens(maps: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 1 n c"]:
    return maps.flatten(2).transpose(1, 2).unsqueeze(1)
