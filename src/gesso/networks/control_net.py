"""ControlNet: a second way down, which shows a UNet what a picture asks for.

Source: Zhang et al. 2023, arXiv:2302.05543, section 3; layer names and sizes from the `control_model.`
tensors of its checkpoints. Union: the checkpoints of xinsir/controlnet-union-sdxl-1.0, many kinds of picture
in one network, and their layers in diffusers' ControlNetUnionModel.

Words of the file: `input_hint_block` reads the picture (the hint), `zero_convs` and `middle_block_out` lead
out to the UNet. In a union, `task_embedding` tells one kind of picture from another, `transformer_layes` (as
the file spells it) and `spatial_ch_projs` weigh the hint against the latents, `control_add_embedding` tells
the kind beside the time.
"""

from collections import OrderedDict
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gesso.errors import TensorMismatch
from gesso.networks.attention import Heads
from gesso.networks.clip_text import QuickGelu
from gesso.networks.embeddings import sinusoids
from gesso.networks.initialise import fill
from gesso.networks.joints import check_descent, given
from gesso.networks.open_clip_text import ResidualBlock
from gesso.networks.structure import Shapes, channels, conv, count, linear, parameter, under, wired
from gesso.networks.unet import Additions, Descent, UNet

__all__ = ["HINT_WIDTHS", "ControlNet", "control_net_shapes", "grown"]

HINT_WIDTHS = (16, 32, 96, 256)
"""How wide the published networks read the hint at full size, 1/2, 1/4 and 1/8."""
UNION_HEADS = 8


class HintBlock(nn.Sequential):
    """Convolutions from the hint's pixels to the size of the latents.

    A layer in the middle that leaves more channels than it takes halves the size: no file says so otherwise.
    """

    def __init__(self, shapes: Shapes, place: str) -> None:
        # every other member in the file is an activation
        names = [f"{place}.{i}" for i in range(0, count(shapes, place), 2)]
        wired(shapes, *names)
        ways = [channels(shapes, name) for name in names]
        inner = range(1, len(names) - 1)
        strides = [2 if i in inner and after > before else 1 for i, (before, after) in enumerate(ways)]
        parts: list[nn.Module] = []
        for name, stride in zip(names, strides, strict=True):
            parts += [conv(shapes, name, stride=stride), nn.SiLU()]
        super().__init__(*parts[:-1])
        self.scale = 2 ** strides.count(2)


class ControlNet(Descent):
    """A ControlNet, plain or union, as wide and deep as the file's tensors.

    Args:
        shapes: names and sizes relative to the network (`input_hint_block.0.weight`, ...).
        heads: width to number of attention heads.

    Raises:
        TensorMismatch: these tensors are not those of a ControlNet; names the first that contradicts.
    """

    def __init__(self, shapes: Shapes, heads: Heads) -> None:
        super().__init__(shapes, heads)
        widths, middle = check_descent(shapes)
        self.input_hint_block = HintBlock(shapes, "input_hint_block")
        if count(shapes, "zero_convs") != len(widths):
            raise TensorMismatch(
                f"every input block must have a way out, however: there are {len(widths)} blocks and "
                f"{count(shapes, 'zero_convs')} zero_convs"
            )
        wired(shapes, f"input_hint_block.{len(self.input_hint_block) - 1}", "zero_convs.0.0")
        for i, width in enumerate(widths):
            given(shapes, f"zero_convs.{i}.0", width)
        given(shapes, "middle_block_out.0", middle)
        self.zero_convs = nn.ModuleList(
            nn.Sequential(conv(shapes, f"zero_convs.{i}.0")) for i in range(len(widths))
        )
        self.middle_block_out = nn.Sequential(conv(shapes, "middle_block_out.0"))
        self.kinds = 0
        if "task_embedding" in shapes:
            self._unite(shapes)

    def _unite(self, shapes: Shapes) -> None:
        """The layers of a union."""
        self.task_embedding = parameter(shapes, "task_embedding", 2)
        self.kinds = self.task_embedding.shape[0]
        self.transformer_layes = nn.ModuleList(
            ResidualBlock(
                under(shapes, f"transformer_layes.{i}."),
                lambda _: UNION_HEADS,
                causal=False,
                gelu=QuickGelu(),
            )
            for i in range(count(shapes, "transformer_layes"))
        )
        self.spatial_ch_projs = linear(shapes, "spatial_ch_projs")
        add = "control_add_embedding"
        self.waves = channels(shapes, f"{add}.linear_1")[0] // self.kinds
        wired(shapes, f"{add}.linear_1", f"{add}.linear_2")
        self.control_add_embedding = nn.Sequential(
            OrderedDict(
                linear_1=linear(shapes, f"{add}.linear_1"),
                act=nn.SiLU(),
                linear_2=linear(shapes, f"{add}.linear_2"),
            )
        )

    @property
    def scale(self) -> int:
        """Pixels of the hint along the side of a latent cell."""
        return self.input_hint_block.scale

    @property
    def outputs(self) -> int:
        """How many tensors it adds: one for each input block, and the middle's."""
        return len(self.zero_convs) + 1

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        t: Float[Tensor, " b"],
        context: Float[Tensor, "b n d"],
        vector: Float[Tensor, "b v"] | None,
        hint: Float[Tensor, "_ e h w"],
        kind: int | None = None,
    ) -> Additions:
        """What is added to the UNet's skips and middle.

        Args:
            x: noisy latents, as the UNet sees them.
            t: network time, 0 to 999.
            context: the prompt's tokens.
            vector: the pooled condition of families that have one.
            hint: the picture as `input_hint_block` read it.
            kind: which kind of picture a union is shown.
        """
        emb = self.embedded(x, t, vector)
        if kind is not None:
            emb = emb + self._told(kind, emb)
        outputs: dict[int, Tensor] = {}
        for i, (block, out) in enumerate(zip(self.input_blocks, self.zero_convs, strict=True)):
            x = block(x, emb, context, x.shape[-2:])
            if i == 0:
                x = x + (hint if kind is None else self._weighed(x, hint, kind))
            outputs[i] = out(x)
        x = self.middle_block(x, emb, context, x.shape[-2:])
        return Additions(skips=outputs, middle=self.middle_block_out(x))

    def _told(self, kind: int, like: Tensor) -> Float[Tensor, "1 e"]:
        """Which kinds of picture it is shown, as waves."""
        flags = torch.zeros(self.kinds, device=like.device)
        flags[kind] = 1.0
        waves = sinusoids(flags, self.waves)
        return self.control_add_embedding(waves.flatten()[None].to(like.dtype))

    def _weighed(
        self, x: Float[Tensor, "b e h w"], hint: Float[Tensor, "_ e h w"], kind: int
    ) -> Float[Tensor, "b e h w"]:
        """The hint, shifted by what it means beside the latents."""
        seen = hint.mean((2, 3)) + self.task_embedding[kind]
        tokens = torch.stack([seen.expand(x.shape[0], -1), x.mean((2, 3))], dim=1)
        for layer in self.transformer_layes:
            tokens = layer(tokens)
        return hint + self.spatial_ch_projs(tokens[:, 0])[:, :, None, None]


def control_net_shapes(
    unet: Shapes, hint: tuple[int, ...] = HINT_WIDTHS, *, hint_channels: int = 3
) -> dict[str, tuple[int, ...]]:
    """The tensors of a ControlNet for a UNet of these tensors.

    Args:
        unet: names and sizes, relative to the network.
        hint: how wide the hint is read at each size; one more than how often it is halved.
        hint_channels: of the hint itself; 3 in a picture.
    """
    own = ("time_embed.", "label_emb.", "input_blocks.", "middle_block.")
    shapes = {name: tuple(shape) for name, shape in unet.items() if name.startswith(own)}
    widths, middle = check_descent(unet)
    ways = [(hint_channels, hint[0]), (hint[0], hint[0])]
    for before, after in pairwise(hint):
        ways += [(before, after), (after, after)]
    # the last of them leads out at once
    ways[-1] = (hint[-1], widths[0])
    for i, (before, after) in enumerate(ways):
        shapes |= _conv(f"input_hint_block.{2 * i}", before, after, 3)
    for i, width in enumerate(widths):
        shapes |= _conv(f"zero_convs.{i}.0", width, width, 1)
    return shapes | _conv("middle_block_out.0", middle, middle, 1)


def _conv(name: str, before: int, after: int, kernel: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (after, before, kernel, kernel), f"{name}.bias": (after,)}


def grown(
    unet: UNet, heads: Heads, generator: torch.Generator, hint: tuple[int, ...] = HINT_WIDTHS
) -> ControlNet:
    """A new ControlNet for a UNet, which knows what the UNet knows and changes nothing yet.

    Args:
        unet: whose way down is copied.
        heads: the same as the UNet's.
        generator: decides how the hint is read at first.
        hint: how wide the hint is read at each size; one more than how often it is halved.

    Source: Zhang et al. 2023, arXiv:2302.05543, section 3.1: copied weights, zero convolutions.
    """
    known = unet.state_dict()
    shapes = control_net_shapes({name: tuple(weight.shape) for name, weight in known.items()}, hint)
    network = ControlNet(shapes, heads)
    silent = {
        id(weight)
        for part in (network.input_hint_block[-1], network.zero_convs, network.middle_block_out)
        for weight in part.parameters()
    }
    with torch.no_grad():
        for owner in network.modules():
            for own, weight in owner.named_parameters(recurse=False):
                fill(owner, own, weight, generator)
                if id(weight) in silent:
                    weight.zero_()
        for name, weight in network.named_parameters():
            if name in known:
                weight.copy_(known[name])
    return network
