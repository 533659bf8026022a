"""Control models at work: how strongly each acts, where, when, and for which rows."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.conditioning.conditioning import Conditioning, Role, Window
from gesso.denoiser import Call
from gesso.networks.control_net import ControlNet
from gesso.networks.inpaint_head import InpaintHead
from gesso.networks.lllite import Changing, LLLite
from gesso.networks.t2i_adapter import T2IAdapter
from gesso.networks.unet import Additions

__all__ = ["Acting", "AdapterGuide", "Guide", "HeadGuide", "LiteGuide", "NetGuide", "Strength", "soft"]

Seen = Mapping[str, Tensor]
"""What a network made of its picture, once for all calls."""


def soft(outputs: int) -> tuple[float, ...]:
    """Weights that fall from the middle to the finest layer.

    Source: sd-webui-controlnet's soft injection: 0.825^(12 - i) for 13 layers.
    """
    return tuple(0.825 ** (outputs - 1 - i) for i in range(outputs))


@dataclass(frozen=True)
class Strength:
    """How strongly a control acts in a layer, at a place.

    Args:
        layers: a factor for each thing it adds.
        region: where it acts, 0…1; None everywhere.
        pooled: whether what it adds is the same all over the picture.
    """

    layers: Sequence[float]
    region: Float[Tensor, "1 1 H W"] | None = None
    pooled: bool = False

    def within(self, part: tuple[slice, slice]) -> "Strength":
        """The same over a part of the picture, given in pixels."""
        return self if self.region is None else replace(self, region=self.region[(..., *part)])

    def __call__(self, layer: int, change: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """What a layer adds, as strongly as it should."""
        size = (change.shape[-2], change.shape[-1])
        change = change.mean((2, 3), keepdim=True) if self.pooled else change
        return change * self.at(layer, size).to(change)

    def at(self, layer: int, size: tuple[int, int]) -> Float[Tensor, "1 1 h w"]:
        """The factor of a layer at each place."""
        if self.region is None:
            return torch.full((1, 1, *size), self.layers[layer])
        return functional.adaptive_avg_pool2d(self.region, size) * self.layers[layer]


class Guide(Protocol):
    """A control network, whatever it adds and where."""

    @property
    def network(self) -> nn.Module:
        """With its weights in."""
        ...

    @property
    def soft(self) -> tuple[float, ...]:
        """The factors of each thing it adds where the prompt is more important; as many as it adds."""
        ...

    @property
    def scale(self) -> int:
        """Pixels of its picture along the side of a latent cell."""
        ...

    def seen(self, pixels: Float[Tensor, "1 3 H W"]) -> Seen:
        """What it makes of its picture, whose masked pixels are below 0, the others 0…1."""
        ...

    def during(self, call: Call, seen: Seen, strength: Strength, rows: Sequence[int]) -> "Entered":
        """Act on some rows of a call while the block runs."""
        ...


Entered = Generator[Additions | None]


@dataclass(frozen=True)
class NetGuide:
    """A ControlNet, whose additions are worked out anew in every call.

    Args:
        network: plain or union.
        kind: which kind of picture a union is shown.
    """

    network: ControlNet
    kind: int | None = None

    @property
    def soft(self) -> tuple[float, ...]:
        """Falling from the middle to the finest layer."""
        return soft(self.network.outputs)

    @property
    def scale(self) -> int:
        """As its hint block halves."""
        return self.network.scale

    def seen(self, pixels: Float[Tensor, "1 3 H W"]) -> Seen:
        """The hint at the size of the latents."""
        return {"hint": self.network.input_hint_block(pixels)}

    def during(self, call: Call, seen: Seen, strength: Strength, rows: Sequence[int]) -> Entered:
        """Additions to skips and middle."""
        some = _some(call, rows)
        told = (some.inputs, some.t, some.cond.context, some.cond.vector)
        found = self.network(*told, seen["hint"], self.kind)
        spread = partial(_spread, rows=rows, count=len(call.cond))
        skips = {i: spread(strength(i, change)) for i, change in found.skips.items()}
        yield Additions(skips=skips, middle=spread(strength(len(skips), found.middle)))


@dataclass(frozen=True)
class AdapterGuide:
    """A T2I-Adapter, which looks once.

    Args:
        network: any kind.
        places: the block that each feature is added to.
        middle: the number that stands for the middle block.
    """

    network: T2IAdapter
    places: tuple[int, ...]
    middle: int

    @property
    def soft(self) -> tuple[float, ...]:
        """Source: sd-webui-controlnet's soft injection for adapters."""
        return (0.25, 0.62, 0.825, 1.0)[-len(self.places) :]

    @property
    def scale(self) -> int:
        """Every published adapter reads 8 pixels a cell."""
        return 8

    def seen(self, pixels: Float[Tensor, "1 3 H W"]) -> Seen:
        """The features, by their number."""
        return {str(i): feature for i, feature in enumerate(self.network(pixels))}

    def during(self, call: Call, seen: Seen, strength: Strength, rows: Sequence[int]) -> Entered:
        """Additions to what input blocks give."""
        found = {
            place: _spread(strength(i, seen[str(i)]).expand(len(rows), -1, -1, -1), rows, len(call.cond))
            for i, place in enumerate(self.places)
        }
        yield Additions(inputs=found, middle=found.pop(self.middle, None))


@dataclass(frozen=True)
class HeadGuide:
    """An inpaint head, which is shown a mask and the latents of what is kept, not a picture."""

    network: InpaintHead

    @property
    def soft(self) -> tuple[float, ...]:
        """One factor for all."""
        return (1.0,)

    @property
    def scale(self) -> int:
        """It looks at latent cells."""
        return 1

    def seen(self, pixels: Float[Tensor, "1 c h w"]) -> Seen:
        """What it adds.

        Args:
            pixels: the mask, 1 where it is painted, and the latents of what is kept.
        """
        return {"added": self.network(pixels)}

    def during(self, call: Call, seen: Seen, strength: Strength, rows: Sequence[int]) -> Entered:
        """Additions to what the first input block gives."""
        change = strength(0, seen["added"]).expand(len(rows), -1, -1, -1)
        yield Additions(inputs={0: _spread(change, rows, len(call.cond))})


@dataclass(frozen=True)
class LiteGuide:
    """An LLLite, which changes what layers are given."""

    network: LLLite

    @property
    def soft(self) -> tuple[float, ...]:
        """One factor for all."""
        return (1.0,)

    @property
    def scale(self) -> int:
        """Every published file reads 8 pixels a cell."""
        return 8

    def seen(self, pixels: Float[Tensor, "1 3 H W"]) -> Seen:
        """What every branch makes of the picture."""
        centred = pixels * 2.0 - 1.0
        sizes = torch.tensor(pixels.shape[-2:])
        return {"size": sizes} | {n: each.seen(centred) for n, each in self.network.branches().items()}

    def during(self, call: Call, seen: Seen, strength: Strength, rows: Sequence[int]) -> Entered:
        """No additions: hooks on the layers."""
        acts = torch.zeros(len(call.cond), 1, 1, 1)
        acts[list(rows)] = 1.0
        changes: dict[str, Changing] = {}
        for name, branch in self.network.branches().items():
            height, width = (-(-side // branch.stride) for side in seen["size"].tolist())
            weights = (strength.at(0, (height, width)).to(acts) * acts).to(call.inputs)
            changes[name] = Changing(
                branch, seen[name], weights.flatten(2).transpose(1, 2) if branch.tokens else weights
            )
        with self.network.changing(call.network, changes):
            yield None


Shown = tuple[object, ...]
"""The type of the numbers, and the part of the picture."""


@dataclass
class Acting:
    """A control model with its picture, as a Control.

    Args:
        guide: the network.
        pixels: its picture, 0…1, masked pixels below 0; or whatever else it is shown.
        strength: how strongly it acts.
        levels: it acts at noise levels above the first and up to the second.
        prompted: whether it acts on rows with a prompt alone.
    """

    guide: Guide
    pixels: Float[Tensor, "1 c H W"]
    strength: Strength
    levels: tuple[float, float]
    prompted: bool = False
    _seen: dict[Shown, Seen] = field(default_factory=dict[Shown, Seen], init=False)

    @contextmanager
    def during(self, call: Call) -> Generator[Additions | None]:
        """Act while the block runs."""
        rows = [i for i, role in enumerate(call.cond.roles) if role == "prompt" or not self.prompted]
        if not rows or not any(self.strength.layers) or not self.levels[0] < call.sigma <= self.levels[1]:
            yield None
            return
        dtype = call.inputs.dtype
        # numbers may have been widened since the last call
        self.guide.network.to(dtype)
        part = _pixels(call.cond.window, self.guide.scale)
        shown = (dtype, *((each.start, each.stop) for each in part))
        if shown not in self._seen:
            self._seen[shown] = self.guide.seen(self.pixels[(..., *part)].to(call.inputs))
        yield from self.guide.during(call, self._seen[shown], self.strength.within(part), rows)


def _pixels(window: Window | None, scale: int) -> tuple[slice, slice]:
    """The part of the picture that belongs to a window of the latents."""
    if window is None:
        return slice(None), slice(None)
    rows, columns = (slice(each.start * scale, each.stop * scale) for each in window)
    return rows, columns


def _some(call: Call, rows: Sequence[int]) -> Call:
    """A call's rows that a control acts on."""
    if len(rows) == len(call.cond):
        return call
    picked = list(rows)
    cond = call.cond
    roles: tuple[Role, ...] = tuple(cond.roles[i] for i in rows)
    vector = None if cond.vector is None else cond.vector[picked]
    told = Conditioning(cond.context[picked], vector, roles=roles)
    return Call(call.network, call.inputs[picked], call.t[picked], call.sigma, told)


def _spread(change: Tensor, rows: Sequence[int], count: int) -> Tensor:
    """What is added to some rows as additions to all of them."""
    if len(rows) == count:
        return change
    whole = change.new_zeros((count, *change.shape[1:]))
    whole[list(rows)] = change
    return whole
