"""The chain of links is the autoencoder: its sizes, and every layer once."""

import pytest
import torch
from torch import nn

from gesso.families.autoencoder_plan import AutoencoderPlan, autoencoder_shapes
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.links import Attend, Convolve, Link, Size, decoding, encoding

PLANS = [
    AutoencoderPlan(width=32, multipliers=(1, 2), blocks=1),
    AutoencoderPlan(width=32, multipliers=(1, 1, 2), attention=False),
    AutoencoderPlan(width=32, multipliers=(1, 2, 4, 4), latents=16, quantised=False),
]


def drawn(plan: AutoencoderPlan) -> Autoencoder:
    with torch.device("meta"):
        return Autoencoder(autoencoder_shapes(plan))


def layers(links: list[Link]) -> list[nn.Module]:
    found = list[nn.Module]()
    for link in links:
        if isinstance(link, Convolve):
            found += [each for each in (link.window.conv, link.norm, link.shortcut) if each is not None]
        else:
            found += link.layer.children()
    return found


@pytest.mark.parametrize("plan", PLANS)
def test_every_layer_is_in_one_link(plan: AutoencoderPlan) -> None:
    network = drawn(plan)
    leaves = [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.GroupNorm)]
    found = layers(encoding(network)) + layers(decoding(network))
    assert len(found) == len(leaves)
    assert set(found) == set(leaves)


@pytest.mark.parametrize("plan", PLANS)
def test_sizes_are_those_of_the_network(plan: AutoencoderPlan) -> None:
    network = drawn(plan)
    size = Size((plan.latents,), 6, 5)
    for link in decoding(network):
        size = link.after(size)
    assert size == Size((3,), 6 * network.factor, 5 * network.factor)
    for link in encoding(network):
        size = link.after(size)
    assert size == Size((2 * plan.latents,), 6, 5)


def test_attention_alone_keeps_something_of_the_whole_picture() -> None:
    size = Size((64,), 6, 5)
    for link in decoding(drawn(PLANS[0])):
        assert link.kept(size) == (2 * 64 * 30 if isinstance(link, Attend) else 0)
