from itertools import pairwise
from pathlib import Path

import pytest
import torch
from PIL import Image

from gesso.generation.first_noise import beneath, first, noise_of
from gesso.generation.fitting import Fitting
from gesso.generation.planning import make_plan
from gesso.generation.starting import Run, start
from gesso.model import Model, load
from gesso.request import Request, Source, Variation
from tests.models import save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = save_model(tmp_path_factory.mktemp("models") / "m.safetensors", "sd1")
    return load(path, device="cpu", dtype="float32")


def begun(model: Model, request: Request) -> Run:
    with Fitting() as fitting, torch.inference_mode():
        return start(make_plan(model, request), model, fitting)


def drawn(run: Run, picture: int = 0) -> torch.Tensor:
    return first(run, picture, noise_of(run, picture, run.models["base"]))


def test_picture_i_starts_from_the_noise_of_its_own_seed(model: Model) -> None:
    together, alone = begun(model, Request(seed=3, count=2)), begun(model, Request(seed=4))
    assert torch.equal(drawn(together, 1), drawn(alone))
    assert not torch.equal(drawn(together), drawn(alone))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_variation_goes_from_one_seed_to_the_other(share: float, model: Model) -> None:
    kin = begun(model, Request(seed=3, variation=Variation(seed=9, strength=share)))
    assert torch.equal(drawn(kin), drawn(begun(model, Request(seed=9 if share else 3))))


def test_noise_of_another_size_stands_in_the_middle(model: Model) -> None:
    run = begun(model, Request(seed=3, noise_size=(32, 32)))
    small = begun(model, Request(seed=3, size=(32, 32)))
    side = 32 // model.factor
    off = (run.scene.latent[0] - side) // 2
    inner = slice(off, off + side)
    assert torch.equal(drawn(run)[..., inner, inner], drawn(small))


@pytest.mark.parametrize(("fill", "kept"), [("original", True), ("nothing", False), ("noise", False)])
def test_what_lies_beneath_is_the_picture_unless_painting_starts_from_less(
    fill: str, kept: bool, model: Model, tmp_path: Path
) -> None:
    Image.linear_gradient("L").resize((64, 64)).save(tmp_path / "s.png")
    source = Source.model_validate({"image": tmp_path / "s.png", "fill": fill, "strength": 0.5})
    run = begun(model, Request(seed=3, source=source))
    assert run.clean is not None
    found = beneath(run, run.clean, noise_of(run, 0, model))
    assert torch.equal(found, run.clean) == kept


def test_every_painting_over_a_picture_has_noise_of_its_own(model: Model, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "s.png")
    found = [
        drawn(begun(model, Request(seed=3, source=Source(image=tmp_path / "s.png", turn=turn))))
        for turn in range(3)
    ]
    assert torch.equal(found[0], drawn(begun(model, Request(seed=3))))
    assert not any(torch.equal(one, other) for one, other in pairwise(found))
