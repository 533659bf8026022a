"""T2I-Adapter: a small network that reads a picture once and adds it at every size of a UNet's way down.

Source: Mou et al. 2023, arXiv:2302.08453, section 3.3; layer names and sizes from the files of
TencentARC/T2I-Adapter (plain, light) and, for SDXL, of diffusers.

Words of the file: `body` is a list of blocks through all sizes; `in_conv` changes a block's width.
"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks.structure import Shapes, channels, conv, count, under

__all__ = ["SIZES", "T2IAdapter", "t2i_names"]

SIZES = 4
"""How many features every published adapter gives."""
FOLDINGS: Mapping[int, int] = {64: 8, 192: 8, 256: 16, 768: 16}
"""Channels of the folded picture to the side of the square of pixels that became one: 1 or 3 channels, by 8
or 16 pixels. Source: TencentARC/T2I-Adapter; 16 in those for SDXL."""
HALVINGS: Mapping[int, tuple[int, ...]] = {8: (1, 2, 3), 16: (2,)}
"""By that side: before which of the four features the size is halved."""


class Residual(nn.Module):
    """Two convolutions, around which the input is added; before them perhaps another width."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.in_conv = conv(shapes, "in_conv") if "in_conv.weight" in shapes else None
        self.block1 = conv(shapes, "block1")
        self.block2 = conv(shapes, "block2")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """The picture after the block."""
        x = x if self.in_conv is None else self.in_conv(x)
        return x + self.block2(functional.relu(self.block1(x)))


class Light(nn.Module):
    """A light adapter's blocks of one size: narrow inside."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.in_conv = conv(shapes, "in_conv")
        self.body = nn.Sequential(
            *(Residual(under(shapes, f"body.{i}.")) for i in range(count(shapes, "body")))
        )
        self.out_conv = conv(shapes, "out_conv")

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """The picture after the blocks."""
        return self.out_conv(self.body(self.in_conv(x)))


class T2IAdapter(nn.Module):
    """A T2I-Adapter, plain or light, for SD 1.x or SDXL, as the file's tensors say.

    Args:
        shapes: names and sizes relative to the network (`body.0.block1.weight`, ...).
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        light = "body.0.out_conv.weight" in shapes
        kind = Light if light else Residual
        self.conv_in = None if light else conv(shapes, "conv_in")
        blocks = range(count(shapes, "body"))
        self.body = nn.ModuleList(kind(under(shapes, f"body.{i}.")) for i in blocks)
        taken = channels(shapes, "body.0.in_conv" if light else "conv_in")[0]
        self.fold = FOLDINGS.get(taken, 8)
        self.colours = taken // self.fold**2
        self.each = max(1, len(blocks) // SIZES)
        ends = ("out_conv",) if light else ("block2",)
        last = range(self.each - 1, len(blocks), self.each)
        self.widths = tuple(channels(shapes, f"body.{i}.{end}")[1] for i in last for end in ends)

    @property
    def cells(self) -> tuple[int, ...]:
        """Pixels along the side of a cell of each feature."""
        halvings = HALVINGS[self.fold]
        return tuple(self.fold * 2 ** sum(i <= size for i in halvings) for size in range(len(self.widths)))

    def forward(self, pixels: Float[Tensor, "b 3 H W"]) -> tuple[Float[Tensor, "b c h w"], ...]:
        """What is added at each size, the largest first.

        Args:
            pixels: the picture, 0…1.
        """
        x = pixels if self.colours == 3 else pixels.mean(1, keepdim=True)
        height, width = (-side % self.fold for side in x.shape[-2:])
        x = functional.pixel_unshuffle(functional.pad(x, (0, width, 0, height)), self.fold)
        x = x if self.conv_in is None else self.conv_in(x)
        found: list[Tensor] = []
        for i, block in enumerate(self.body):
            size, place = divmod(i, self.each)
            if place == 0 and size in HALVINGS[self.fold]:
                x = functional.avg_pool2d(x, 2, ceil_mode=True)
            x = block(x)
            if place == self.each - 1:
                found.append(x)
        return tuple(found)


def t2i_names(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The file's name for each tensor: diffusers puts a plain adapter's blocks into groups by size."""
    each = 1 + max(
        (
            int(name.split(".")[4])
            for name in shapes
            if name.startswith("adapter.body.") and ".resnets." in name
        ),
        default=0,
    )
    return {_t2i_name(name, each, light="adapter.body.0.out_conv.weight" in shapes): name for name in shapes}


def _t2i_name(name: str, each: int, *, light: bool) -> str:
    own = name.removeprefix("adapter.")
    parts = own.split(".")
    if own == name or parts[0] != "body":
        return own
    if light:
        return own.replace(".resnets.", ".body.")
    if parts[2] == "resnets":
        return ".".join(("body", str(int(parts[1]) * each + int(parts[3])), *parts[4:]))
    return ".".join(("body", str(int(parts[1]) * each), *parts[2:]))
