from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn

from gesso.families.autoencoder_plan import tiny_decoder_shapes, tiny_encoder_shapes
from gesso.families.work import tiny_decoder_work, unet_work
from gesso.generation import latents as module
from gesso.generation.latents import (
    as_image,
    as_pixels,
    decoded,
    encoded,
    preview,
    widened,
)
from gesso.model import Model, load, sizes
from gesso.networks.tiny_autoencoder import TinyDecoder, TinyEncoder
from tests.models import random_weights, save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = save_model(tmp_path_factory.mktemp("models") / "x.safetensors", "sd1")
    return load(path, device="cpu", dtype="float32")


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def colours() -> Image.Image:
    """A picture in which every channel takes every value."""
    return Image.frombytes(
        "RGB", (256, 3), bytes((i * k) % 256 for k in (1, 3, 5) for i in range(256) for _ in range(3))
    )


def test_a_picture_becomes_pixels_and_the_same_picture_again() -> None:
    pixels = as_pixels(colours())
    assert pixels.shape == (1, 3, 3, 256)
    assert (float(pixels.min()), float(pixels.max())) == (-1.0, 1.0)
    assert as_image(pixels).tobytes() == colours().tobytes()


def test_what_is_too_bright_or_too_dark_is_cut() -> None:
    image = as_image(torch.tensor([-3.0, 0.0, 7.0]).view(1, 3, 1, 1))
    assert image.getpixel((0, 0)) == (0, 128, 255)


def test_a_picture_is_an_eighth_as_large_in_latents(model: Model) -> None:
    latents = encoded(model, as_pixels(Image.new("RGB", (64, 32), "teal")))
    assert latents.shape == (1, 4, 4, 8)
    image, notes = decoded(model, model.latents(latents))
    assert (image.size, notes) == ((64, 32), ())


@pytest.mark.parametrize(
    ("cells", "size"), [((4, 8), (64, 32)), ((48, 96), (192, 96)), ((96, 24), (48, 192))]
)
def test_a_preview_is_small(cells: tuple[int, int], size: tuple[int, int], model: Model) -> None:
    assert preview(model, torch.zeros(1, 4, *cells)).size == size


def test_a_widened_network_comes_back_to_the_bit() -> None:
    network = nn.Linear(8, 8).to(torch.bfloat16)
    before = network.weight.clone()
    with pytest.raises(KeyError), widened(network):
        assert network.weight.dtype == torch.float32
        raise KeyError
    assert torch.equal(network.weight, before)


@pytest.fixture
def tiny(model: Model) -> Model:
    """The same model with tiny halves."""
    into, out = tiny_encoder_shapes(8), tiny_decoder_shapes(8)
    encoder, decoder = TinyEncoder(into), TinyDecoder(out)
    encoder.load_state_dict(random_weights(into))
    decoder.load_state_dict(random_weights(out))
    return replace(model, networks={**model.networks, "encoder": encoder, "decoder": decoder})


def test_tiny_halves_take_and_give_latents_as_the_denoiser_has_them(model: Model, tiny: Model) -> None:
    scale = model.identity.facts.latent.scale
    pixels = torch.rand(1, 3, 32, 32) * 2 - 1
    found = encoded(tiny, pixels)
    assert torch.equal(tiny.latents(found), found)
    assert torch.equal(tiny.unscaled(found), found)
    torch.testing.assert_close(tiny.raw(found), found / scale)
    # where only the decoder is tiny, the whole autoencoder's latents are scaled, and not unscaled
    only = replace(model, networks={**model.networks, "decoder": tiny.networks["decoder"]})
    told = encoded(only, pixels)
    assert torch.equal(only.raw(told), told)
    assert torch.equal(only.latents(told), told * scale)
    assert torch.equal(only.unscaled(told), told)
    assert decoded(only, found)[0].size == (32, 32)


def test_a_tiny_decoder_previews_as_large_as_its_share_of_a_step(
    model: Model, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    latents = torch.randn(1, 4, 30, 60)
    step, decoder = unet_work(sizes(model.denoiser.network), (30, 60)), sizes(tiny.networks["decoder"])
    for share in (0.01, 0.1):
        monkeypatch.setattr(module, "PREVIEW_SHARE", share)
        width, height = preview(tiny, latents).size
        work = tiny_decoder_work(decoder, (height // 8, width // 8))
        assert work == pytest.approx(share * step, rel=0.2)
        assert width / height == pytest.approx(2, rel=0.2)
    monkeypatch.setattr(module, "PREVIEW_SHARE", 100.0)
    assert preview(tiny, latents).size == (480, 240)
    assert preview(model, latents).width < 300
    seen = replace(model, networks={**model.networks, "preview": tiny.networks["decoder"]})
    assert preview(seen, latents).tobytes() == preview(tiny, latents).tobytes()
