"""A reference: what the network sees of it, held against two passes written out; how much, where and when."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.conditioning.conditioning import Conditioning, Role
from gesso.control.reference import Manner, Referring, Takes, attending, counting
from gesso.denoiser import Call
from gesso.networks.attention import TransformerBlock
from gesso.networks.unet import UNet
from gesso.sampling.prediction import PREDICTIONS
from tests.control.made import base_of, unet_of
from tests.models import random_weights

BASE = base_of("sd1")
SIGMA = 2.0
ALWAYS = (0.0, 99.0)
ROLES: tuple[Role, ...] = ("prompt", "negative", "perturbed")
EPSILON = PREDICTIONS["epsilon"]


@pytest.fixture(scope="module")
def network() -> UNet:
    return unet_of(BASE, random_weights(dict(BASE.unet), 0))


def call(network: UNet) -> Call:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(3, 4, 8, 8, generator=generator)
    cond = Conditioning(torch.randn(3, 5, 64, generator=generator), roles=ROLES)
    return Call(network, x, torch.full((3,), 500.0), SIGMA, cond)


def reference(
    takes: Takes = "attention",
    weight: float = 1.0,
    fidelity: float = 0.0,
    levels: tuple[float, float] = ALWAYS,
    size: tuple[int, int] = (8, 8),
) -> Referring:
    latents, noise = torch.randn(2, 1, 4, *size, generator=torch.Generator().manual_seed(9))
    return Referring(latents, noise, EPSILON, Manner(takes, weight, fidelity, levels))


def answer(network: UNet, *controls: Referring) -> Tensor:
    asked = call(network)
    with torch.no_grad():
        if not controls:
            return network(asked.inputs, asked.t, asked.cond.context)
        with controls[0].during(asked) as nothing:
            assert nothing is None
            return network(asked.inputs, asked.t, asked.cond.context)


def shown(network: UNet, given: Referring) -> None:
    """The first pass: the reference with noise, told what each row is told."""
    asked = call(network)
    noisy = (given.latents + SIGMA * given.noise) / (1 + SIGMA**2) ** 0.5
    with torch.no_grad():
        network(noisy.expand(3, -1, -1, -1), asked.t, asked.cond.context)


@contextmanager
def hooked(parts: Iterator[nn.Module] | list[nn.Module], hook: object) -> Iterator[None]:
    handles = [part.register_forward_hook(hook) for part in parts]  # pyright: ignore[reportArgumentType]
    yield
    for handle in handles:
        handle.remove()


def blocks(network: UNet) -> list[TransformerBlock]:
    return [each for each in network.modules() if isinstance(each, TransformerBlock)]


@pytest.mark.parametrize("size", [(8, 8), (4, 12)])
def test_attention_sees_the_reference_as_two_passes_do(size: tuple[int, int], network: UNet) -> None:
    """The second pass written out: keys and values of its own tokens and of those of the first."""
    given = reference(size=size)
    bank: dict[nn.Module, Tensor] = {}

    def keep(norm: nn.Module, _: object, output: Tensor) -> None:
        bank[norm] = output

    with hooked([each.norm1 for each in blocks(network)], keep):
        shown(network, given)

    def seen(layer: nn.Module, told: tuple[Tensor, Tensor], _: Tensor) -> Tensor:
        norm = next(each.norm1 for each in blocks(network) if each.attn1 is layer)
        tokens, attention = told[0], next(each.attn1 for each in blocks(network) if each.attn1 is layer)
        both = torch.cat([tokens, bank[norm]], 1)
        q, k, v = (
            attention.split(part)
            for part in (attention.to_q(tokens), attention.to_k(both), attention.to_v(both))
        )
        return attention.to_out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    with hooked([each.attn1 for each in blocks(network)], seen):
        wanted = answer(network)
    torch.testing.assert_close(answer(network, given), wanted)
    assert not torch.allclose(wanted, answer(network))


def test_maps_take_over_means_and_spreads_as_two_passes_do(network: UNet) -> None:
    given = reference("adain", weight=2.0)
    parts, told = counting(network, 2.0), dict[nn.Module, tuple[Tensor, Tensor]]()

    def keep(part: nn.Module, _: object, output: Tensor) -> None:
        told[part] = (output.mean((2, 3), keepdim=True), output.var((2, 3), keepdim=True, correction=0))

    with hooked(parts, keep):
        shown(network, given)

    def take(part: nn.Module, _: object, output: Tensor) -> Tensor:
        own = (output.mean((2, 3), keepdim=True), output.var((2, 3), keepdim=True, correction=0))
        # a single position has no spread
        spread, wide = (each.clamp(min=1e-6).sqrt() for each in (own[1], told[part][1]))
        return (output - own[0]) / spread * wide + told[part][0]

    with hooked(parts, take):
        wanted = answer(network)
    torch.testing.assert_close(answer(network, given), wanted, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(wanted, answer(network))


@pytest.mark.parametrize("takes", ["attention", "adain", "both"])
def test_fidelity_leaves_the_negative_alone(takes: Takes, network: UNet) -> None:
    plain, none, half, whole = (
        answer(network, *given)
        for given in (
            (),
            (reference(takes),),
            (reference(takes, fidelity=0.5),),
            (reference(takes, fidelity=1.0),),
        )
    )
    torch.testing.assert_close(whole[1], plain[1])
    assert not torch.allclose(whole[0], plain[0])
    for row in (0, 2):
        torch.testing.assert_close(none[row], whole[row])
    assert not torch.allclose(half[1], plain[1])
    assert not torch.allclose(half[1], none[1])


@pytest.mark.parametrize(
    "given", [reference(weight=0.0), reference(levels=(2.0, 99.0)), reference(levels=(0.0, 1.9))]
)
def test_without_weight_or_outside_its_levels_nothing_happens(given: Referring, network: UNet) -> None:
    assert torch.equal(answer(network, given), answer(network))


def test_it_is_gone_after(network: UNet) -> None:
    plain = answer(network)
    answer(network, reference("both", weight=2.0))
    assert torch.equal(answer(network), plain)


def test_the_widest_attention_and_the_deepest_maps_come_first(network: UNet) -> None:
    layers = attending(network, 1.0)
    assert len(layers) == len(blocks(network))
    widths = [layer.to_q.in_features for layer in layers]
    assert widths == sorted(widths, reverse=True)
    assert attending(network, 0.5) == layers[: -(-len(layers) // 2)]
    assert attending(network, 0.0) == []
    few, all_ = counting(network, 0.0), counting(network, 2.0)
    # the middle, and the first size of the way up; at last every block that does not only change the size
    assert few[0] is network.middle_block
    assert len(few) == 1 + 2
    assert len(all_) == 1 + 4 + 8


def test_models_with_more_channels_are_shown_them_too() -> None:
    base = base_of("sd1-inpainting")
    network = unet_of(base, random_weights(dict(base.unet), 0))
    asked = call(network)
    beside = torch.rand(3, 5, 8, 8)
    told = Conditioning(asked.cond.context, None, beside, ROLES)
    with torch.no_grad(), reference(size=(4, 6)).during(Call(network, asked.inputs, asked.t, SIGMA, told)):
        found = network(torch.cat([asked.inputs, beside], 1), asked.t, told.context)
    assert found.shape == (3, 4, 8, 8)
