"""First weights."""

import pytest
import torch
from torch import nn

from gesso.families.autoencoder_plan import AutoencoderPlan, autoencoder_shapes
from gesso.families.text_plan import ClipPlan, OpenClipPlan, clip_shapes, open_clip_shapes
from gesso.families.unet_plan import UNetPlan, unet_shapes
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.clip_text import ClipText
from gesso.networks.initialise import initialise
from gesso.networks.open_clip_text import OpenClipText
from gesso.networks.unet import UNet
from tests.references.networks_cases import by_sixteen

SMALL = UNetPlan(width=32, multipliers=(1, 2), blocks=1, depths=(0, 1), context=16)


def networks() -> dict[str, nn.Module]:
    text = {"width": 32, "layers": 2, "positions": 9, "vocabulary": 500}
    return {
        "unet": UNet(unet_shapes(SMALL), by_sixteen),
        "autoencoder": Autoencoder(autoencoder_shapes(AutoencoderPlan(width=32, multipliers=(1, 2)))),
        "clip": ClipText(clip_shapes(ClipPlan(**text)), by_sixteen, "gelu"),
        "open_clip": OpenClipText(open_clip_shapes(OpenClipPlan(**text)), by_sixteen),
    }


def started(name: str, seed: int) -> nn.Module:
    with torch.device("meta"):
        network = networks()[name]
    network = network.to_empty(device="cpu")
    for weight in network.parameters():
        weight.data.fill_(float("nan"))
    initialise(network, torch.Generator().manual_seed(seed))
    return network


@pytest.mark.parametrize("name", ["unet", "autoencoder", "clip", "open_clip"])
def test_every_weight_is_set_and_the_seed_decides_it(name: str) -> None:
    first, again, other = (started(name, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.isfinite(weight).all() for weight in first.values())
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_an_untrained_unet_says_nothing() -> None:
    network = started("unet", 0)
    out = network(torch.randn(1, 4, 8, 8), torch.zeros(1), torch.randn(1, 3, 16))
    assert torch.equal(out, torch.zeros_like(out))


def test_linear_layers_keep_the_size_of_what_passes() -> None:
    network = started("clip", 0)
    weight = network.get_parameter("text_model.encoder.layers.0.mlp.fc2.weight")
    assert float(weight.detach().std()) == pytest.approx(weight.shape[1] ** -0.5, rel=0.1)


def test_embeddings_start_small() -> None:
    for name, key in (
        ("clip", "text_model.embeddings.token_embedding.weight"),
        ("open_clip", "positional_embedding"),
    ):
        assert float(started(name, 0).get_parameter(key).detach().std()) == pytest.approx(0.02, rel=0.2)
