"""References in whole runs: they change pictures of every family, and are in the picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gesso.cli.main import main
from gesso.generation.generate import paint
from gesso.generation.planning import make_plan
from gesso.model import Model, load
from gesso.request import Mask, Reference, Request, Source, Windows
from tests.models import save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("referring")
    for name in ("sd1", "sdxl"):
        save_model(folder / f"{name}.safetensors", name)
    for name, seed in (("a", 1), ("b", 2)):
        grain = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(grain).resize((80, 60)).save(folder / f"{name}.png")
    mask = Image.new("L", (80, 60))
    mask.paste(255, (16, 16, 48, 48))
    mask.save(folder / "mask.png")
    return folder


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, Model]:
    return {n: load(folder / f"{n}.safetensors", device="cpu", dtype="float32") for n in ("sd1", "sdxl")}


ASK = Request(prompt="a cat", negative="a dog", seed=3, steps=2, sampler="euler", schedule="normal")


def asked(folder: Path, name: str = "a.png", **fields: object) -> Request:
    use = Reference.model_validate({"image": folder / name, **fields})
    return ASK.model_copy(update={"reference": use})


def picture(model: Model, request: Request) -> bytes:
    return paint(model, request).images[0].tobytes()


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_reference_matters_and_so_does_what_is_taken(
    family: str, folder: Path, models: dict[str, Model]
) -> None:
    model, plain = models[family], picture(models[family], ASK)
    requests = (
        asked(folder),
        asked(folder, "b.png"),
        asked(folder, takes="adain"),
        asked(folder, fidelity=1.0),
    )
    assert len({plain, *(picture(model, each) for each in requests)}) == 5
    assert picture(model, asked(folder, weight=0.0)) == plain
    assert picture(model, ASK) == plain


def test_it_costs_another_look_at_each_step_it_acts_in(folder: Path, models: dict[str, Model]) -> None:
    counts = [
        make_plan(models["sd1"], each).evaluations
        for each in (ASK, asked(folder), asked(folder, end=0.5), asked(folder, weight=0.0))
    ]
    assert counts == [4, 8, 6, 4]


def test_each_picture_has_noise_of_its_own_seed(folder: Path, models: dict[str, Model]) -> None:
    both = paint(models["sd1"], asked(folder).model_copy(update={"count": 2}))
    for image, request in zip(both.images, both.requests, strict=True):
        assert picture(models["sd1"], request) == image.tobytes()


def test_edits_and_windows_look_at_it_too(folder: Path, models: dict[str, Model]) -> None:
    source = Source(image=folder / "b.png", mask=Mask(image=folder / "mask.png"))
    wide = {"size": (96, 64), "windows": Windows(size=(64, 64), overlap=8)}
    for change in ({"source": source}, wide):
        with_, without = (
            picture(models["sd1"], each.model_copy(update=change)) for each in (asked(folder), ASK)
        )
        assert with_ != without


def test_the_picture_knows_its_reference(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, photo = tmp_path / "x.png", tmp_path / "a.png"
    photo.write_bytes((folder / "a.png").read_bytes())
    told = ["generate", "-m", str(folder / "sd1.safetensors"), "a cat", "--out", str(out), "--steps", "1"]
    assert main([*told, "--reference", str(photo), "--device", "cpu", "--dtype", "float32"]) == 0
    assert main(["replay", str(out), "--out", str(tmp_path / "again.png")]) == 0
    assert capsys.readouterr().out == "the same pixels\n"
    photo.write_bytes((folder / "b.png").read_bytes())
    assert main(["replay", str(out), "--out", str(tmp_path / "again.png")]) == 2
    assert "has changed" in capsys.readouterr().err
