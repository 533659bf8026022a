from pathlib import Path

import pytest
import torch
from PIL import Image

from gesso.generation.enlarging import enlarged_latents
from gesso.generation.fitting import Fitting
from gesso.generation.latents import as_pixels
from gesso.generation.planning import make_plan
from gesso.generation.starting import Painting, original, resized, shown, start
from gesso.model import Model, load
from gesso.request import FollowUp, Request, Source
from tests.models import save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = save_model(tmp_path_factory.mktemp("models") / "m.safetensors", "sd1")
    return load(path, device="cpu", dtype="float32")


def test_a_transparent_source_is_seen_over_white_and_kept_as_it_is(model: Model, tmp_path: Path) -> None:
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(tmp_path / "s.png")
    source = Source(image=tmp_path / "s.png")
    with Fitting() as fitting, torch.inference_mode():
        run = start(make_plan(model, Request(source=source)), model, fitting)
    assert resized(run).getpixel((0, 0)) == (255, 255, 255)
    assert original(run).pixels.shape == (64, 64, 4)
    assert run.scene.pixels is not None
    assert torch.equal(run.scene.pixels, as_pixels(Image.new("RGB", (64, 64), "white")))


def test_every_picture_before_is_put_before_the_models_in_turn(model: Model) -> None:
    follow = FollowUp(source=Source(by=2, strength=0.5, upscaler="latent-nearest"))
    plan = make_plan(model, Request(seed=1, count=2, then=(follow,))).then[0]
    space = model.identity.facts.latent
    latents = [torch.full((1, 4, 16, 16), float(value)) for value in range(2)]
    before = [Painting(Image.new("RGB", (64, 64)), each, space) for each in latents]
    with Fitting() as fitting, torch.inference_mode():
        run = start(plan, model, fitting, before)
        for picture, each in enumerate(latents):
            run.picture = picture
            shown(run)
            assert run.clean is not None
            assert torch.equal(run.clean, enlarged_latents(each, plan.latent, "nearest-exact"))


def test_nothing_is_put_together_for_a_resize_alone(model: Model) -> None:
    plan = make_plan(model, Request(then=(FollowUp(source=Source(by=2, strength=0.0)),))).then[0]
    with Fitting() as fitting:
        run = start(plan, model, fitting, [Painting(Image.new("RGB", (64, 64), "red"))])
    assert not hasattr(run, "conditions")
    assert (resized(run).size, resized(run).getpixel((0, 0))) == ((128, 128), (255, 0, 0))
