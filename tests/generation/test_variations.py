"""unCLIP models paint after pictures: what matters, what is refused, and the same again from the picture."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gesso.cli.main import main
from gesso.conditioning.conditioning import Conditioning
from gesso.denoiser import Denoiser
from gesso.errors import RequestError, Unsupported
from gesso.generation.generate import paint
from gesso.generation.planning import make_plan
from gesso.generation.variations import varied
from gesso.model import Model, load
from gesso.request import ImagePrompt, Request
from tests.models import save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unclip")
    for name in ("sd2-unclip", "sd1"):
        save_model(folder / f"{name}.safetensors", name)
    for name, seed in (("a", 1), ("b", 2)):
        grain = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(grain).resize((80, 60)).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return load(folder / "sd2-unclip.safetensors", device="cpu", dtype="float32")


def asking(folder: Path, *images: str, **fields: object) -> Request:
    use = ImagePrompt.model_validate({"images": [folder / each for each in images or ("a.png",)], **fields})
    return Request(prompt="a cat", seed=3, steps=2, sampler="euler", image_prompts=(use,))


def test_its_parts_are_an_image_encoder_and_a_noise_augmentor(model: Model) -> None:
    assert set(model.networks) == {"unet", "vae", "text", "vision", "augmentor"}


def test_pictures_words_weight_and_noise_matter(model: Model, folder: Path) -> None:
    requests = [
        asking(folder),
        asking(folder, "b.png"),
        asking(folder, "a.png", "b.png"),
        asking(folder, weight=0.5),
        asking(folder, noise=0.6),
        asking(folder).model_copy(update={"prompt": "a dog"}),
    ]
    found = [paint(model, each).images[0].tobytes() for each in requests]
    assert len(set(found)) == len(requests)
    assert paint(model, requests[0]).images[0].tobytes() == found[0]


def test_each_picture_has_noise_of_its_own_seed(model: Model, folder: Path) -> None:
    both = paint(model, asking(folder, noise=0.5).model_copy(update={"count": 2}))
    for image, request in zip(both.images, both.requests, strict=True):
        assert paint(model, request).images[0].tobytes() == image.tobytes()


def test_the_negative_is_told_of_no_picture(
    model: Model, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Conditioning] = []

    def listen(self: Denoiser, x: Tensor, sigma: float, cond: Conditioning) -> Tensor:
        del self, sigma
        told.append(cond)
        return x

    monkeypatch.setattr(Denoiser, "__call__", listen)
    paint(model, asking(folder))
    vector = told[0].vector
    assert vector is not None
    assert vector.shape == (2, 2048)
    assert bool(vector[0].any())
    assert not bool(vector[1].any())


@torch.inference_mode()
def test_several_pictures_add_up_each_by_its_weight(model: Model, folder: Path) -> None:
    uses = [ImagePrompt(images=(folder / "a.png",), weight=0.5), ImagePrompt(images=(folder / "b.png",))]

    def told(*image_prompts: ImagePrompt) -> Tensor:
        found = varied(model, Request(image_prompts=image_prompts))
        assert found is not None
        return found(3)

    # at the least noise, the noise is the same for all of them
    none = told(ImagePrompt(images=(folder / "a.png",), weight=0.0))
    parts = [told(each) - none for each in uses]
    torch.testing.assert_close(told(*uses) - none, parts[0] + parts[1], rtol=1e-4, atol=1e-5)


def test_embeddings_made_elsewhere_take_a_picture_s_place(model: Model, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", np.random.default_rng(0).normal(size=1024))
    np.save(tmp_path / "short.npy", np.zeros(12))
    paint(model, asking(tmp_path, "e.npy"))
    with pytest.raises(RequestError, match="must be 1024 numbers, however: it is 12"):
        paint(model, asking(tmp_path, "short.npy"))


@pytest.mark.parametrize("fields", [{"adapter": "x.safetensors"}, {"end": 0.5}, {"takes": "style"}])
def test_it_looks_by_itself_and_all_the_time(fields: dict[str, object], model: Model, folder: Path) -> None:
    with pytest.raises(Unsupported, match="must have a weight"):
        make_plan(model, asking(folder, **fields))


def test_noise_is_one_for_all_and_for_these_models_alone(model: Model, folder: Path) -> None:
    one, other = asking(folder).image_prompts[0], asking(folder, noise=0.2).image_prompts[0]
    with pytest.raises(Unsupported, match="all the same noise"):
        make_plan(model, asking(folder).model_copy(update={"image_prompts": (one, other)}))
    with pytest.raises(Unsupported, match="must be shown pictures as prompts"):
        make_plan(model, Request(prompt="a cat"))
    plain = load(folder / "sd1.safetensors", device="cpu", dtype="float32", weights=False)
    with pytest.raises(Unsupported, match="must go with an unCLIP model, however: this is sd1"):
        make_plan(plain, asking(folder, noise=0.2))


def test_the_picture_knows_its_pictures(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, photo = tmp_path / "x.png", tmp_path / "a.png"
    photo.write_bytes((folder / "a.png").read_bytes())
    told = ["generate", "-m", str(folder / "sd2-unclip.safetensors"), "a cat", "--out", str(out)]
    assert main([*told, "--image-prompts", str(photo), "--device", "cpu", "--dtype", "float32"]) == 0
    assert main(["replay", str(out), "--out", str(tmp_path / "again.png")]) == 0
    assert capsys.readouterr().out == "the same pixels\n"
    photo.write_bytes((folder / "b.png").read_bytes())
    assert main(["replay", str(out), "--out", str(tmp_path / "again.png")]) == 4
    assert "its hash differs" in capsys.readouterr().err
