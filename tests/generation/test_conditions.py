from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning
from gesso.conditioning.sizes import Sizes, size_vector
from gesso.denoiser import Denoiser
from gesso.generation.generate import paint
from gesso.generation.latents import as_pixels, encoded
from gesso.model import Model, load
from gesso.request import MicroConditions, Request, Source
from tests.models import save_model

LONG = "blurry, " * 60


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("models")
    names = ("sd1", "sd1-inpainting", "sd1-instruct", "sdxl", "sdxl-refiner")
    return {
        name: load(save_model(folder / f"{name}.safetensors", name), device="cpu", dtype="float32")
        for name in names
    }


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Conditioning]]:
    """What the denoiser is told at every call, instead of denoising."""
    told: list[Conditioning] = []

    def listen(self: Denoiser, x: Tensor, sigma: float, cond: Conditioning) -> Tensor:
        told.append(cond)
        return x

    monkeypatch.setattr(Denoiser, "__call__", listen)
    yield told


def told(model: Model, heard: list[Conditioning], request: Request) -> Conditioning:
    heard.clear()
    paint(model, request.model_copy(update={"steps": 1, "seed": 0, "sampler": "euler"}))
    return heard[0]


def vector(cond: Conditioning) -> Tensor:
    assert cond.vector is not None
    return cond.vector


def test_the_prompt_comes_first_the_negative_second(
    models: dict[str, Model], heard: list[Conditioning]
) -> None:
    both = told(models["sd1"], heard, Request(prompt="a cat", negative="a dog", cfg=7.0))
    swapped = told(models["sd1"], heard, Request(prompt="a dog", negative="a cat", cfg=7.0))
    assert both.context.shape == (2, 77, 64)
    assert torch.equal(both.context, swapped.context.flip(0))
    assert both.vector is None


def test_without_guidance_the_negative_is_not_read(
    models: dict[str, Model], heard: list[Conditioning]
) -> None:
    short = told(models["sd1"], heard, Request(prompt="a cat", negative="", cfg=1.0))
    long = told(models["sd1"], heard, Request(prompt="a cat", negative=LONG, cfg=1.0))
    assert short.context.shape == (1, 77, 64)
    assert torch.equal(short.context, long.context)


def test_with_guidance_both_are_as_long_as_the_longer(
    models: dict[str, Model], heard: list[Conditioning]
) -> None:
    found = told(models["sd1"], heard, Request(prompt="a cat", negative=LONG, cfg=7.0))
    assert found.context.shape[0] == 2
    assert found.context.shape[1] > 77
    assert found.context.shape[1] % 77 == 0


@pytest.mark.parametrize(("negative", "silent"), [("", True), ("  ", True), ("blurry", False)])
def test_sdxl_is_told_zeros_for_an_empty_negative(
    negative: str, silent: bool, models: dict[str, Model], heard: list[Conditioning]
) -> None:
    found = told(models["sdxl"], heard, Request(prompt="a cat", negative=negative, cfg=7.0))
    assert bool(found.context[1].any()) != silent
    assert bool(vector(found)[1, :64].any()) != silent
    assert found.context[0].any()


def test_v1_reads_an_empty_negative(models: dict[str, Model], heard: list[Conditioning]) -> None:
    assert told(models["sd1"], heard, Request(prompt="a cat", cfg=7.0)).context[1].any()


MICRO = MicroConditions(original_size=(320, 160), crop=(8, 16), target_size=(96, 64), aesthetic=7.0)


@pytest.mark.parametrize(
    ("name", "micro", "positive", "negative"),
    [
        ("sdxl", MicroConditions(), Sizes((64, 128), (64, 128)), Sizes((64, 128), (64, 128))),
        ("sdxl", MICRO, Sizes((160, 320), (64, 96), (16, 8)), Sizes((160, 320), (64, 96), (16, 8))),
        (
            "sdxl-refiner",
            MICRO,
            Sizes((160, 320), (64, 96), (16, 8), 7.0),
            Sizes((160, 320), (64, 96), (16, 8), 2.5),
        ),
    ],
)
def test_sizes_are_told_rows_first(
    name: str,
    micro: MicroConditions,
    positive: Sizes,
    negative: Sizes,
    models: dict[str, Model],
    heard: list[Conditioning],
) -> None:
    request = Request(prompt="a cat", negative="blurry", size=(128, 64), cfg=7.0, micro=micro)
    found = vector(told(models[name], heard, request))
    for row, sizes in zip(found, (positive, negative), strict=True):
        assert torch.equal(row[None], size_vector(row[None, :64], sizes, found.shape[1]))


def test_clip_skip_reads_an_earlier_layer(models: dict[str, Model], heard: list[Conditioning]) -> None:
    plain, first, second = (
        told(models["sd1"], heard, Request(prompt="a cat", cfg=1.0, clip_skip=skip)).context
        for skip in (None, 1, 2)
    )
    assert torch.equal(plain, first)
    assert not torch.equal(first, second)


def test_an_inpainting_model_without_a_mask_paints_everything(
    models: dict[str, Model], heard: list[Conditioning]
) -> None:
    found = told(models["sd1-inpainting"], heard, Request(prompt="a cat", cfg=7.0)).concat
    assert found is not None
    assert found.shape == (2, 5, 8, 8)
    assert torch.equal(found[:, :1], torch.ones(2, 1, 8, 8))


def test_an_instruct_model_sees_its_source_unscaled(
    models: dict[str, Model], heard: list[Conditioning], tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (64, 64), "teal").save(path)
    model, request = models["sd1-instruct"], Request(prompt="a cat", source=Source(image=path))
    seen = told(model, heard, request.model_copy(update={"cfg": 1.0})).concat
    assert seen is not None
    assert torch.equal(seen, encoded(model, as_pixels(Image.open(path))))
    guided = told(model, heard, request)
    assert guided.roles == ("prompt", "negative", "blind")
    assert guided.concat is not None
    assert torch.equal(guided.concat, torch.cat([seen, seen, torch.zeros_like(seen)]))
    assert torch.equal(guided.context[1], guided.context[2])
