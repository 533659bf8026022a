"""What a model must be shown, and how far it follows it."""

from pathlib import Path

import pytest
from PIL import Image

from gesso.errors import Unsupported
from gesso.generation.generate import paint
from gesso.generation.planning import make_plan
from gesso.generation.showing import PICTURE
from gesso.model import Model, load
from gesso.request import GuidanceShape, Request, Shown, Source
from tests.models import save_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("models")
    names = ("sd1", "sd1-instruct", "sd2-depth")
    return {
        name: load(save_model(folder / f"{name}.safetensors", name), device="cpu", dtype="float32")
        for name in names
    }


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "photo.png"
    Image.linear_gradient("L").convert("RGB").resize((64, 64)).save(path)
    return path


def asked(**fields: object) -> Request:
    return Request.model_validate({"prompt": "a cat", "seed": 1, "steps": 2, "sampler": "euler", **fields})


@pytest.mark.parametrize(("name", "what"), [("sd1-instruct", "picture"), ("sd2-depth", "depth")])
def test_a_model_without_what_it_needs_is_refused_before_anything_runs(
    name: str, what: str, models: dict[str, Model]
) -> None:
    with pytest.raises(Unsupported, match=rf"{name} must be shown .*{what}.*, however: there is none"):
        make_plan(models[name], asked())


def test_depth_is_for_models_that_are_told_by_it(models: dict[str, Model], photo: Path) -> None:
    with pytest.raises(Unsupported, match="must go with a model that is told by one, however: this is sd1"):
        make_plan(models["sd1"], asked(depth=photo))


def test_pictures_are_followed_as_published_unless_told_otherwise(
    models: dict[str, Model], photo: Path
) -> None:
    model, source = models["sd1-instruct"], Source(image=photo, strength=1.0)
    plan = make_plan(model, asked(source=source))
    assert plan.request.guidance.picture == PICTURE
    assert make_plan(model, plan.request) == plan
    assert plan.evaluations == 3 * 2
    one = make_plan(model, asked(source=source, guidance=GuidanceShape(picture=1.0)))
    assert one.evaluations == 2 * 2
    alone = make_plan(model, asked(source=source, cfg=1.0))
    assert (alone.request.guidance.picture, alone.evaluations) == (1.0, 2)
    assert make_plan(models["sd1"], asked()).request.guidance.picture is None


@pytest.mark.parametrize(("name", "cfg"), [("sd1", 7.0), ("sd1-instruct", 1.0)])
def test_following_a_picture_needs_a_model_and_a_scale(
    name: str, cfg: float, models: dict[str, Model], photo: Path
) -> None:
    shape = GuidanceShape(picture=2.0)
    with pytest.raises(Unsupported, match=r"guidance\.picture must go with"):
        make_plan(models[name], asked(source=photo, cfg=cfg, guidance=shape))


def test_every_scale_paints_another_picture(models: dict[str, Model], photo: Path) -> None:
    source = Source(image=photo, strength=1.0)
    shapes = (GuidanceShape(), GuidanceShape(picture=1.0), GuidanceShape(picture=4.0))
    found = {
        paint(models["sd1-instruct"], asked(source=source, guidance=shape)).images[0].tobytes()
        for shape in shapes
    }
    assert len(found) == 3


def test_a_shown_picture_is_also_its_path(photo: Path) -> None:
    assert asked(depth=str(photo)).depth == Shown(image=photo)
