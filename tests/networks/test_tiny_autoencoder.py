"""Tiny decoders and encoders agree with diffusers' and are exactly what the file's tensors say."""

import pytest
import torch
from safetensors.torch import load_file

from gesso.errors import OutOfMemory, TensorMismatch
from gesso.families.autoencoder_plan import tiny_decoder_shapes, tiny_encoder_shapes
from gesso.networks.tiny_autoencoder import TinyDecoder, TinyEncoder
from tests.references.networks_said import HERE, assert_agree, weights
from tests.references.tiny_cases import WIDTH, latents, pixels


def decoder() -> TinyDecoder:
    shapes = tiny_decoder_shapes(WIDTH)
    network = TinyDecoder(shapes)
    network.load_state_dict(weights(shapes), strict=True)
    return network


def test_pictures_and_latents_agree_with_diffusers() -> None:
    shapes = tiny_encoder_shapes(WIDTH)
    encoder = TinyEncoder(shapes)
    encoder.load_state_dict(weights(shapes), strict=True)
    with torch.no_grad():
        said = encoder.encode(pixels())
        ours = {"pixels": decoder().decode(latents()), "latents": said.mean}
    assert_agree(ours, load_file(HERE / "tiny.safetensors"))
    assert torch.allclose(said.sample(torch.randn_like(said.mean)), said.mean, atol=1e-5)


def test_the_published_layout() -> None:
    """Numbers of taesd_decoder.safetensors and taesd_encoder.safetensors."""
    with torch.device("meta"):
        out, into = TinyDecoder(tiny_decoder_shapes()), TinyEncoder(tiny_encoder_shapes())
    assert [i for i, each in enumerate(out) if not list(each.parameters())] == [0, 2, 6, 11, 16]
    assert len(out) == 20
    assert len(into) == 15
    assert (out.factor, out.channels, out.reach, into.factor, into.channels) == (8, 4, 19, 8, 4)


def test_bands_equal_the_whole() -> None:
    network = decoder()
    given = torch.randn(2, 4, 60, 3)
    with torch.no_grad():
        whole = network.decode(given)
        room = network.whole_bytes(given)
        torch.testing.assert_close(network.banded(given, room * 9 // 10), whole, rtol=0, atol=1e-5)
    with pytest.raises(OutOfMemory, match="must have room for 39 rows"):
        network.banded(given, room // 2)


def test_a_block_may_change_its_width() -> None:
    shapes = {f"{i}.{place}": size for i in (1,) for place, size in weights_of_block(4, 8).items()}
    network = TinyEncoder({"0.weight": (4, 3, 3, 3), "0.bias": (4,), **shapes, "2.weight": (4, 8, 3, 3)})
    assert set(dict(network.named_parameters())) == {"0.weight", "0.bias", *shapes, "2.weight"}
    assert network.width == 8


def weights_of_block(before: int, width: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"skip.weight": (width, before, 1, 1)}
    for place, taken in ((0, before), (2, width), (4, width)):
        found |= {f"conv.{place}.weight": (width, taken, 3, 3), f"conv.{place}.bias": (width,)}
    return found


@pytest.mark.parametrize("gone", ["19.weight", "7.weight", "1.weight"])
def test_a_missing_layer_is_named(gone: str) -> None:
    shapes = tiny_decoder_shapes(WIDTH)
    left = {
        name: shape for name, shape in shapes.items() if not name.startswith(gone.partition(".")[0] + ".")
    }
    if gone == "19.weight":
        left["19.bias"] = (3,)
    with pytest.raises(TensorMismatch, match="is missing"):
        TinyDecoder(left)


def test_an_encoder_ends_in_a_convolution() -> None:
    shapes = {name: shape for name, shape in tiny_encoder_shapes(WIDTH).items() if not name.startswith("14.")}
    with pytest.raises(TensorMismatch, match="must end in a convolution"):
        _ = TinyEncoder(shapes).channels
