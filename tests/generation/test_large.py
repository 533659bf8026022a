"""Pictures larger than the memory given: the same picture, and a note."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gesso.families.autoencoder_plan import tiny_decoder_shapes
from gesso.generation.large import encode, fits, room
from gesso.generation.latents import decoded, encoded
from gesso.model import Model, load
from gesso.networks.banded import (
    banded_decode,
    banded_encode,
    decode_plan,
    whole_decode,
    whole_encode,
)
from gesso.networks.tiny_autoencoder import TinyDecoder
from tests.models import PLANS, random_weights, save_model


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    assert request.param in PLANS
    path: Path = tmp_path_factory.mktemp("large") / f"{request.param}.safetensors"
    return load(save_model(path, request.param), device="cpu", dtype="float32")


def weights(model: Model) -> int:
    return sum(each.nbytes for network in model.networks.values() for each in network.parameters())


def test_a_ceiling_counts_the_weights(model: Model) -> None:
    assert room(replace(model, memory=weights(model) + 5)) == 5
    assert room(replace(model, memory=1)) == 0


def test_what_fits_is_decoded_whole(model: Model) -> None:
    takes = whole_decode(model.vae, torch.empty(1, 4, 40, 24, device="meta"))
    assert fits(model, (40, 24))
    assert fits(replace(model, memory=weights(model) + takes), (40, 24))
    assert not fits(replace(model, memory=weights(model) + takes - 1), (40, 24))


def test_under_a_ceiling_the_picture_is_the_same_and_the_note_says_so(model: Model) -> None:
    latents = torch.randn(1, 4, 40, 24, generator=torch.Generator().manual_seed(0))
    whole = whole_decode(model.vae, latents)
    tight = replace(model, memory=weights(model) + whole * 3 // 4)
    assert decode_plan(model.vae, latents, whole * 3 // 4).taken <= whole * 3 // 4
    with torch.inference_mode():
        plain, none = decoded(model, latents)
        banded, notes = decoded(tight, latents)
    assert none == ()
    assert "bands" in notes[0]
    apart = np.asarray(plain).astype(int) - np.asarray(banded).astype(int)
    assert np.abs(apart).max() <= 1


def test_pictures_are_read_under_a_ceiling_too(model: Model) -> None:
    pixels = torch.rand(1, 3, 320, 192, generator=torch.Generator().manual_seed(0)) * 2 - 1
    tight = replace(model, memory=weights(model) + whole_encode(model.vae, pixels) * 3 // 4)
    with torch.inference_mode():
        torch.testing.assert_close(
            encode(tight, pixels).mean, model.vae.encode(pixels).mean, rtol=0, atol=1e-5
        )
        torch.testing.assert_close(encoded(tight, pixels), encoded(model, pixels), rtol=0, atol=1e-5)


def test_nine_rounds_in_bands_do_not_drift_from_nine_as_a_whole() -> None:
    vae = load(device="cpu", dtype="float32").vae
    start = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    whole = banded = torch.nn.functional.interpolate(start, (64, 64), mode="bilinear")
    with torch.inference_mode():
        for _ in range(9):
            whole = vae.decode(vae.encode(whole).mean).clamp(-1, 1)
            banded = banded_decode(vae, banded_encode(vae, banded, 2**22).mean, 2**22).clamp(-1, 1)
    assert float((whole - banded).abs().max()) < 1 / 255


def test_a_tiny_decoder_works_in_bands_too(model: Model) -> None:
    shapes = tiny_decoder_shapes(8)
    tiny = TinyDecoder(shapes)
    tiny.load_state_dict(random_weights(shapes))
    small = replace(model, networks={**model.networks, "decoder": tiny})
    latents = torch.randn(1, 4, 60, 4, generator=torch.Generator().manual_seed(0))
    tight = replace(small, memory=weights(small) + tiny.whole_bytes(latents) * 9 // 10)
    with torch.inference_mode():
        plain, none = decoded(small, latents)
        banded, notes = decoded(tight, latents)
    assert none == ()
    assert "bands" in notes[0]
    assert np.abs(np.asarray(plain).astype(int) - np.asarray(banded).astype(int)).max() <= 1
