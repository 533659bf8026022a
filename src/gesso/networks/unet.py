"""The UNet: from noisy latents, a time and a context to a prediction; one network for every family.

Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", appendix B; Rombach et al. 2022,
"High-Resolution Image Synthesis with Latent Diffusion Models"; Podell et al. 2023, "SDXL" (the vector
condition and uneven depths); layer names and sizes from the checkpoints' `model.diffusion_model.` tensors.

Words of the file: `input_blocks` lead down to few pixels and many channels, `middle_block` works there,
`output_blocks` lead up again, each given what the input block of its size left. A block is a list of
layers. `in_layers`, `emb_layers`, `out_layers` are a residual block's halves and where time enters it,
`op` is the convolution that halves the size, `label_emb` takes the vector condition.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.errors import TensorMismatch, Unsupported
from gesso.networks.attention import Heads, SpatialTransformer
from gesso.networks.embeddings import sinusoids
from gesso.networks.joints import check_joints
from gesso.networks.structure import Joined, Shapes, activated_norm, conv, count, linear, under, wired

__all__ = ["Additions", "Descent", "Downsample", "Inner", "ResBlock", "UNet", "Upsample", "embed", "within"]

EPS = 1e-5


class ResBlock(nn.Module):
    """Two normalised convolutions with the time added between them, around which the input is added."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        wired(shapes, "in_layers.0", "in_layers.2", "out_layers.0", "out_layers.3")
        wired(shapes, "emb_layers.1", "out_layers.0")
        # index 1 was an activation in the code that wrote the files, 2 of the second half a dropout
        self.in_layers = nn.Sequential(
            activated_norm(shapes, "in_layers.0", EPS), nn.Identity(), conv(shapes, "in_layers.2")
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), linear(shapes, "emb_layers.1"))
        self.out_layers = nn.Sequential(
            activated_norm(shapes, "out_layers.0", EPS),
            nn.Identity(),
            nn.Identity(),
            conv(shapes, "out_layers.3"),
        )
        around = "skip_connection"
        if f"{around}.weight" in shapes:
            wired(shapes, "in_layers.0", around)
            wired(shapes, around, "out_layers.0")
        else:
            wired(shapes, "out_layers.3", "in_layers.0")
        self.skip_connection = conv(shapes, around) if f"{around}.weight" in shapes else nn.Identity()
        self.joined = Joined()

    def forward(self, x: Float[Tensor, "b c h w"], emb: Float[Tensor, "b e"]) -> Float[Tensor, "b d h w"]:
        """The block's output, of the same size in pixels."""
        norm, *_, last = self.out_layers
        h = norm(self.in_layers(x), self.emb_layers(emb))
        return self.joined(self.skip_connection(x), last, h)


class Downsample(nn.Module):
    """Half the size."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.op = conv(shapes, "op", stride=2)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """The picture at half its size, rounded up."""
        return self.op(x)


class Upsample(nn.Module):
    """Twice the size, or one less where the input block of that size was odd."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        self.conv = conv(shapes, "conv")

    def forward(self, x: Float[Tensor, "b c h w"], size: tuple[int, ...]) -> Float[Tensor, "b c h2 w2"]:
        """The picture at the given height and width."""
        return self.conv(functional.interpolate(x, size=size, mode="nearest"))


class Block(nn.ModuleList):
    """A list of layers, each given what its kind needs; a list of none passes its input on."""

    def __init__(self, shapes: Shapes, name: str, heads: Heads) -> None:
        inside = under(shapes, f"{name}.")
        layers = range(count(shapes, name))
        super().__init__(layer(inside, str(i), heads) for i in layers)

    def forward(self, x: Tensor, emb: Tensor, context: Tensor, size: tuple[int, ...]) -> Tensor:
        """The block's output.

        Args:
            x: [b c h w].
            emb: the time and the vector condition, embedded, [b e].
            context: [b n d].
            size: height and width to arrive at where the block leads up.
        """
        for part in self:
            if isinstance(part, ResBlock):
                x = part(x, emb)
            elif isinstance(part, SpatialTransformer):
                x = part(x, context)
            elif isinstance(part, Upsample):
                x = part(x, size)
            else:
                x = part(x)
        return x


def layer(shapes: Shapes, name: str, heads: Heads) -> nn.Module:
    """The layer that a numbered member of a block is, told by the tensors it has.

    Raises:
        TensorMismatch: no kind of layer has these tensors.
    """
    inside = under(shapes, f"{name}.")
    if "in_layers.0.weight" in inside:
        return ResBlock(inside)
    if "transformer_blocks.0.norm1.weight" in inside:
        return SpatialTransformer(inside, heads)
    if "op.weight" in inside:
        return Downsample(inside)
    if "conv.weight" in inside:
        return Upsample(inside)
    if "weight" in inside:
        return conv(shapes, name)
    raise TensorMismatch(f"layer {name} of a UNet block must be of a known kind, however: it has {[*inside]}")


def embed(shapes: Shapes, name: str) -> nn.Sequential:
    """Two linear layers, numbered as in the file."""
    wired(shapes, f"{name}.0", f"{name}.2")
    return nn.Sequential(linear(shapes, f"{name}.0"), nn.SiLU(), linear(shapes, f"{name}.2"))


@dataclass(frozen=True)
class Additions:
    """What control models add inside a UNet, by the number of the input block; absent is nothing.

    Args:
        inputs: added to what an input block gives, before anything else sees it (T2I-Adapter).
        skips: added to what an output block is given of an input block (ControlNet).
        middle: added to what the middle block gives.
    """

    inputs: Mapping[int, Tensor] = field(default_factory=dict[int, Tensor])
    skips: Mapping[int, Tensor] = field(default_factory=dict[int, Tensor])
    middle: Tensor | None = None

    def __add__(self, other: "Additions") -> "Additions":
        """Both together."""
        middle = [each.middle for each in (self, other) if each.middle is not None]
        return Additions(
            _summed(self.inputs, other.inputs),
            _summed(self.skips, other.skips),
            torch.stack(middle).sum(0) if middle else None,
        )

    def to(self, dtype: torch.dtype) -> "Additions":
        """The same in another type."""
        middle = None if self.middle is None else self.middle.to(dtype)
        inputs, skips = ({i: x.to(dtype) for i, x in each.items()} for each in (self.inputs, self.skips))
        return Additions(inputs, skips, middle)


def _summed(one: Mapping[int, Tensor], other: Mapping[int, Tensor]) -> dict[int, Tensor]:
    return {**one, **{i: one[i] + each if i in one else each for i, each in other.items()}}


NOTHING = Additions()


class Descent(nn.Module):
    """The way down and the middle, which a UNet has in common with the networks that control it.

    Args:
        shapes: names and sizes relative to the network (`input_blocks.0.0.weight`, ...).
        heads: width to number of attention heads.
    """

    def __init__(self, shapes: Shapes, heads: Heads) -> None:
        super().__init__()
        self.time_embed = embed(shapes, "time_embed")
        # the file wraps the two linear layers once more
        vector = "label_emb.0"
        self.label_emb = nn.Sequential(embed(shapes, vector)) if f"{vector}.0.weight" in shapes else None
        inputs = range(count(shapes, "input_blocks"))
        self.input_blocks = nn.ModuleList(Block(shapes, f"input_blocks.{i}", heads) for i in inputs)
        self.middle_block = Block(shapes, "middle_block", heads)
        self.time_width = shapes["time_embed.0.weight"][1]

    def embedded(
        self, x: Float[Tensor, "b c h w"], t: Float[Tensor, " b"], vector: Float[Tensor, "b v"] | None
    ) -> Float[Tensor, "b e"]:
        """The time, and the vector condition if the network has one, as one embedding."""
        emb = self.time_embed(sinusoids(t, self.time_width).to(x.dtype))
        if self.label_emb is None:
            return emb
        if vector is None:
            raise Unsupported("this network must be given a vector condition, however: there is none")
        return emb + self.label_emb(vector)


Told = tuple[Tensor, Tensor, Additions]
"""The embedded time, the context and what is added: what every block of one call is given."""
Inner = Callable[[int, Tensor, Callable[[], Tensor]], Tensor]
"""(how many input blocks lie around it, what the last of them gave, what computes it) → what lies within."""


class UNet(Descent):
    """The network of every Stable Diffusion family, as wide, deep and pruned as the file's tensors.

    Args:
        shapes: names and sizes relative to the network (`input_blocks.0.0.weight`, ...).
        heads: width to number of attention heads.

    Raises:
        TensorMismatch: these tensors are not those of a UNet; names the first that contradicts.
    """

    def __init__(self, shapes: Shapes, heads: Heads) -> None:
        inputs, outputs = count(shapes, "input_blocks"), count(shapes, "output_blocks")
        if inputs != outputs:
            raise TensorMismatch(
                f"every input block must meet an output block, however: {inputs} and {outputs}"
            )
        super().__init__(shapes, heads)
        self.output_blocks = nn.ModuleList(Block(shapes, f"output_blocks.{i}", heads) for i in range(outputs))
        self.out = nn.Sequential(activated_norm(shapes, "out.0", EPS), nn.Identity(), conv(shapes, "out.2"))
        self.inner: Inner | None = None
        check_joints(shapes)

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        t: Float[Tensor, " b"],
        context: Float[Tensor, "b n d"],
        vector: Float[Tensor, "b v"] | None = None,
        additions: Additions = NOTHING,
    ) -> Float[Tensor, "b o h w"]:
        """What the network predicts: noise, velocity or the clean picture, as the file was trained.

        Args:
            x: noisy latents, scaled for the network, with any concatenated condition after them.
            t: network time, 0 to 999.
            context: the prompt's tokens.
            vector: the pooled condition of families that have one.
            additions: what control models add inside.
        """
        return self.out(self._around(0, x, (self.embedded(x, t, vector), context, additions)))

    def _around(self, i: int, x: Tensor, told: Told) -> Tensor:
        """Input block i, all that lies within it, and the output block of its size."""
        size = x.shape[-2:]
        emb, context, additions = told
        x = self.input_blocks[i](x, emb, context, size)
        x = x + additions.inputs[i] if i in additions.inputs else x
        inner = self._within(i + 1, x, told)
        # one name for all, so that what is joined does not stay beside what it was joined of
        x = torch.cat((inner, x + additions.skips[i] if i in additions.skips else x), dim=1)
        del inner
        return self.output_blocks[-1 - i](x, emb, context, size)

    def _within(self, depth: int, x: Tensor, told: Told) -> Tensor:
        """What lies within `depth` blocks, or what takes its place for a while."""
        computed = partial(self._around if depth < len(self.input_blocks) else self._amid, depth, x, told)
        return computed() if self.inner is None else self.inner(depth, x, computed)

    def _amid(self, _: int, x: Tensor, told: Told) -> Tensor:
        """The middle."""
        emb, context, additions = told
        x = self.middle_block(x, emb, context, x.shape[-2:])
        return x if additions.middle is None else x + additions.middle


@contextmanager
def within(network: UNet, technique: Inner) -> Generator[None]:
    """Let a technique decide what lies within a network's blocks while the block runs."""
    before, network.inner = network.inner, technique
    try:
        yield
    finally:
        network.inner = before
