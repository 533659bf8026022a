"""The autoencoder agrees with diffusers' and is exactly what the file's tensors say."""

import pytest
import torch
from torch import nn

from benchmarks import parity_gesso
from benchmarks.parity_cases import inputs
from gesso.errors import TensorMismatch
from gesso.families.autoencoder_plan import AutoencoderPlan, autoencoder_shapes
from gesso.networks.autoencoder import Autoencoder, Moments
from tests.references.networks_cases import CASES
from tests.references.networks_said import assert_agree, recorded, weights

PLANS = [
    AutoencoderPlan(),
    AutoencoderPlan(width=48, multipliers=(1, 2), blocks=1),
    AutoencoderPlan(width=32, multipliers=(1, 1, 1), attention=False),
    AutoencoderPlan(width=32, latents=16, quantised=False),
]


@pytest.mark.parametrize("case", CASES)
def test_pictures_and_latents_agree_with_diffusers(case: str) -> None:
    tensors = weights(autoencoder_shapes(CASES[case].plan.autoencoder))
    with torch.no_grad():
        assert_agree(parity_gesso.autoencoder(CASES[case], tensors, inputs(CASES[case])), recorded(case))


@pytest.mark.parametrize("plan", PLANS)
def test_it_has_the_files_tensors_and_no_others(plan: AutoencoderPlan) -> None:
    shapes = autoencoder_shapes(plan)
    with torch.device("meta"):
        network = Autoencoder(shapes)
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == shapes


@pytest.mark.parametrize("plan", PLANS)
def test_the_factor_is_the_ratio_of_pixels_to_latents(plan: AutoencoderPlan) -> None:
    with torch.device("meta"):
        network = Autoencoder(autoencoder_shapes(plan))
        latents = network.encode(torch.empty(1, 3, 64, 32)).mean
        pixels = network.decode(latents)
    assert latents.shape == (1, plan.latents, 64 // network.factor, 32 // network.factor)
    assert pixels.shape == (1, 3, 64, 32)


def test_a_sample_without_noise_is_the_mean() -> None:
    mean, logvar = torch.randn(2, 1, 4, 2, 2).unbind()
    assert torch.equal(Moments(mean, logvar).sample(torch.zeros_like(mean)), mean)


def test_a_sample_spreads_by_the_standard_deviation() -> None:
    mean, logvar = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 2.0).log() * 2
    assert Moments(mean, logvar).sample(torch.ones(1, 1, 1, 1)).item() == pytest.approx(2.0)


def test_a_missing_tensor_is_named() -> None:
    shapes = autoencoder_shapes(AutoencoderPlan(width=32))
    del shapes["decoder.norm_out.weight"]
    with pytest.raises(TensorMismatch, match=r"norm_out\.weight"):
        Autoencoder(shapes)


def test_norms_divide_by_what_the_published_weights_were_trained_with() -> None:
    with torch.device("meta"):
        network = Autoencoder(autoencoder_shapes(AutoencoderPlan()))
    assert {norm.eps for norm in network.modules() if isinstance(norm, nn.GroupNorm)} == {1e-6}
