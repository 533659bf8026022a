"""Reference: while it paints, the network looks at what it makes of another picture with as much noise.

Source: lvmin Zhang's "reference-only" in Mikubill/sd-webui-controlnet, discussions 1236 (attention) and 1280
(statistics); its rules as diffusers' community pipeline `stable_diffusion_reference.py` has them.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.denoiser import Call
from gesso.networks.attention import Attention, Gather, around
from gesso.networks.unet import Downsample, UNet, Upsample
from gesso.sampling.prediction import Prediction

__all__ = ["Manner", "Referring", "attending", "counting"]

EPS = 1e-6
Takes = Literal["attention", "adain", "both"]


@dataclass(frozen=True)
class Manner:
    """How a reference acts.

    Args:
        takes: self-attention looks at the reference's tokens too, maps take over its means and spreads
            (adaptive instance normalisation), or both.
        weight: how much of the network, widest layers first; at 1 all of its attention, at 2 all of its maps.
        fidelity: how far the negative's rows stay as they are, 0…1.
        levels: it acts at noise levels above the first and up to the second.
    """

    takes: Takes
    weight: float
    fidelity: float
    levels: tuple[float, float]


@dataclass(frozen=True)
class Referring:
    """A control that shows the network a reference first, and lets it look at what it made of that.

    Args:
        latents: of the reference, as the denoiser has them, of any size.
        noise: unit noise that is put on them.
        prediction: gives the scale of the network's inputs.
    """

    latents: Float[Tensor, "1 c h w"]
    noise: Float[Tensor, "1 c h w"]
    prediction: Prediction
    manner: Manner

    @contextmanager
    def during(self, call: Call) -> Generator[None]:
        """Show the reference, then act while the block runs."""
        low, high = self.manner.levels
        network = call.network
        assert isinstance(network, UNet)
        if not self.manner.weight or not low < call.sigma <= high:
            yield
            return
        seen = Seen({}, {}, self._shares(call))
        takes = {self.manner.takes} if self.manner.takes != "both" else {"attention", "adain"}
        layers = attending(network, self.manner.weight) if "attention" in takes else []
        maps = counting(network, self.manner.weight) if "adain" in takes else []
        with ExitStack() as writing:
            enter(writing, layers, maps, (seen.kept, seen.counted))
            self._shown(call)
        with ExitStack() as reading:
            enter(reading, layers, maps, (seen.looked, seen.taken))
            yield

    def _shares(self, call: Call) -> Float[Tensor, " b"]:
        """How much each row takes of the reference."""
        told = [role in {"prompt", "perturbed"} for role in call.cond.roles]
        return torch.tensor([1.0 if each else 1.0 - self.manner.fidelity for each in told]).to(call.inputs)

    def _shown(self, call: Call) -> None:
        """The network's look at the reference, told what each row is told."""
        noisy = (self.latents + call.sigma * self.noise) * self.prediction(call.sigma).input
        inputs = noisy.to(call.inputs).expand(len(call.cond), -1, -1, -1)
        beside = call.cond.concat
        if beside is not None:
            size = (inputs.shape[-2], inputs.shape[-1])
            inputs = torch.cat([inputs, functional.interpolate(beside, size)], dim=1)
        call.network(inputs, call.t, call.cond.context, call.cond.vector)


@dataclass(frozen=True)
class Seen:
    """What the network made of the reference in one call.

    Args:
        tokens: of each self-attention layer.
        counts: mean and spread of each map.
        shares: how much each row takes.
    """

    tokens: dict[nn.Module, Tensor]
    counts: dict[nn.Module, tuple[Tensor, Tensor]]
    shares: Float[Tensor, " b"]

    def kept(self, layer: Attention, before: Gather, x: Tensor, context: Tensor) -> Tensor:
        """Attention as it is, its tokens remembered."""
        self.tokens[layer] = context
        return before(x, context)

    def looked(self, layer: Attention, before: Gather, x: Tensor, context: Tensor) -> Tensor:
        """Attention to its own tokens and the reference's."""
        both = before(x, torch.cat([context, self.tokens[layer]], dim=1))
        shares = self.shares[:, None, None]
        return both if bool((shares == 1).all()) else torch.lerp(before(x, context), both, shares)

    def counted(self, part: nn.Module, _: tuple[Any, ...], output: Tensor) -> None:
        """A map as it is, its mean and spread remembered."""
        self.counts[part] = moments(output)

    def taken(self, part: nn.Module, _: tuple[Any, ...], output: Tensor) -> Tensor:
        """A map with the reference's mean and spread."""
        mean, spread = moments(output)
        own, wide = self.counts[part]
        return torch.lerp(output, (output - mean) / spread * wide + own, self.shares[:, None, None, None])


def moments(maps: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b c 1 1"], Float[Tensor, "b c 1 1"]]:
    """Mean and spread of each channel."""
    variance, mean = torch.var_mean(maps.float(), dim=(2, 3), keepdim=True, correction=0)
    return mean.to(maps.dtype), variance.clamp(min=EPS).sqrt().to(maps.dtype)


def enter(
    stack: ExitStack,
    layers: Sequence[Attention],
    maps: Sequence[nn.Module],
    acts: tuple[Callable[..., Tensor], Callable[..., Tensor | None]],
) -> None:
    """Let something act in attention layers and on what other parts give, until the stack is left."""
    for layer in layers:
        stack.enter_context(around(layer, partial(acts[0])))
    for part in maps:
        stack.callback(part.register_forward_hook(acts[1]).remove)


def attending(network: UNet, weight: float) -> list[Attention]:
    """Self-attention layers that look at a reference of a weight: the widest of them first."""
    parts = (network.input_blocks, network.middle_block, network.output_blocks)
    found = [each for part in parts for each in _self_attention(part)]
    widest = sorted(found, key=lambda layer: -layer.to_q.in_features)
    return [layer for i, layer in enumerate(widest) if weight > i / len(widest)]


def _self_attention(part: nn.Module) -> Iterator[Attention]:
    for name, layer in part.named_modules():
        if name.endswith("attn1") and isinstance(layer, Attention):
            yield layer


def counting(network: UNet, weight: float) -> list[nn.Module]:
    """What gives the maps that take over a reference's statistics at a weight: the deepest first."""
    down, up = _stages(network.input_blocks, Downsample), _stages(network.output_blocks, Upsample)
    found: list[nn.Module] = [network.middle_block]
    depth = len(down)
    for level, parts in enumerate(down):
        found += parts if weight >= 2.0 * (1.0 - level / depth) else []
    for level, parts in enumerate(up):
        found += parts if weight >= 2.0 * level / depth else []
    return found


def _stages(blocks: nn.ModuleList, turn: type[nn.Module]) -> list[list[nn.Module]]:
    """The last part of each block that works at one size, size by size; the first convolution is none."""
    stages: list[list[nn.Module]] = [[]]
    for block in blocks:
        assert isinstance(block, nn.ModuleList)
        working = [part for part in block if not isinstance(part, turn | nn.Conv2d)]
        if working:
            stages[-1].append(working[-1])
        if len(working) < len(block) and isinstance(block[-1], turn):
            stages.append([])
    return stages
