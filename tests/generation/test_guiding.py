"""Whole pictures with every kind of guidance, on every family."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from gesso.errors import RequestError, Unsupported
from gesso.generation.events import Planned
from gesso.generation.generate import generate, paint
from gesso.model import Model, load
from gesso.request import Request
from tests.models import save_model

FAMILIES = ("sd1-inpainting", "sdxl")
GUIDED: dict[str, dict[str, Any]] = {
    "rescale": {"rescale": 0.7},
    "alternate_below": {"alternate_below": 5.0},
    "projection": {"projection": {"eta": 0.0, "norm": 1.0, "momentum": -0.5}},
    "perpendicular": {"perpendicular": 1.0},
    "threshold": {"threshold": {"mimic": 1.2, "percentile": 0.9}},
    "perturbed": {"perturbation": {"scale": 2.0}},
    "smoothed": {"perturbation": {"scale": 2.0, "blur": "inf", "interval": (0.0, 0.5)}},
    "self_attention": {"self_attention": 3.0},
    "free_u": {"free_u": {"backbone": (2.0, 2.0)}},
    "manifold": {"manifold": True},
}
BESIDE: dict[str, dict[str, Any]] = {
    "regions": {"regions": [{"prompt": "a dog", "box": (0.0, 0.0, 0.5, 1.0)}]},
    "windows": {"windows": {"size": (32, 32), "overlap": 16}},
    "seamless": {"seamless": "both"},
    "variation": {"variation": {"seed": 7, "strength": 0.3}},
    "noise_size": {"noise_size": (32, 32)},
}
EVERY = {**{name: {"guidance": shape} for name, shape in GUIDED.items()}, **BESIDE}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("models")
    files = {name: save_model(folder / f"{name}.safetensors", name) for name in FAMILIES}
    return {name: load(path, device="cpu", dtype="float32") for name, path in files.items()}


def request(**fields: Any) -> Request:
    plain = {"prompt": "a cat", "negative": "a fish", "seed": 3, "steps": 2, "sampler": "euler", "cfg": 3.0}
    return Request.model_validate(plain | fields)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_kind_acts_counts_its_rows_and_leaves_nothing_behind(
    family: str, name: str, models: dict[str, Model]
) -> None:
    model = models[family]
    # large enough for the middle of the deepest network to have more than one place
    size = (64, 64) if name in BESIDE else (128, 128)
    plain = paint(model, request(size=size)).images[0]
    rows = 0

    def count(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        nonlocal rows
        rows += given[0].shape[0]

    handle = model.denoiser.network.register_forward_pre_hook(count)
    events = list(generate(model, request(size=size, **EVERY[name])))
    handle.remove()
    planned = events[0]
    assert isinstance(planned, Planned)
    image = events[-1].result.images[0]  # pyright: ignore[reportAttributeAccessIssue]
    assert not np.array_equal(np.asarray(image), np.asarray(plain))
    windows = 9 if name == "windows" else 1
    assert rows == planned.plan.evaluations * windows
    assert paint(model, request(size=size)).images[0].tobytes() == plain.tobytes()


@pytest.mark.parametrize(
    "nothing",
    [
        {"guidance": {"perturbation": {"scale": 0.0}}},
        {"guidance": {"self_attention": 0.0}},
        {"variation": {"seed": 9, "strength": 0.0}},
        {"windows": {"size": (64, 64)}},
        {"regions": [{"prompt": "a cat", "box": (0, 0, 1, 1)}], "regions_base": 0.0},
        {"regions_base": 0.9},
    ],
)
def test_what_asks_for_nothing_changes_nothing(nothing: dict[str, Any], models: dict[str, Model]) -> None:
    found = np.asarray(paint(models["sdxl"], request(**nothing)).images[0], dtype=int)
    plain = np.asarray(paint(models["sdxl"], request()).images[0], dtype=int)
    # rows of another number are summed in another order
    assert abs(found - plain).max() <= 1


def test_a_variation_of_strength_one_is_the_other_seed(models: dict[str, Model]) -> None:
    other = paint(models["sdxl"], request(seed=9)).images[0]
    found = paint(models["sdxl"], request(variation={"seed": 9, "strength": 1.0})).images[0]
    assert found.tobytes() == other.tobytes()


def test_cfg_plus_plus_refuses_samplers_that_it_cannot_go_with(models: dict[str, Model]) -> None:
    with pytest.raises(Unsupported, match="CFG"):
        paint(models["sdxl"], request(sampler="heun", guidance={"manifold": True}))


def test_blocks_without_attention_are_refused(models: dict[str, Model]) -> None:
    with pytest.raises(RequestError, match="IN00 is none of them"):
        paint(models["sdxl"], request(guidance={"perturbation": {"layers": ("IN00",)}}))


def test_what_cannot_go_with_windows_is_refused(models: dict[str, Model]) -> None:
    with pytest.raises(Unsupported, match="windows"):
        paint(models["sdxl"], request(windows={}, guidance={"self_attention": 1.0}))


def test_a_region_s_mask_is_known_by_its_hash(models: dict[str, Model], tmp_path: Path) -> None:
    from PIL import Image

    mask = tmp_path / "m.png"
    Image.new("L", (64, 64), 255).save(mask)
    result = paint(models["sdxl"], request(regions=[{"prompt": "a dog", "mask": str(mask)}]))
    named = result.requests[0]
    assert named.regions[0].sha256 is not None
    assert paint(models["sdxl"], named).images[0].tobytes() == result.images[0].tobytes()
    Image.new("L", (64, 64), 0).save(mask)
    with pytest.raises(RequestError, match="has changed"):
        paint(models["sdxl"], named)
