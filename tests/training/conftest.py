from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file

from gesso.families.blueprint import checkpoint_shapes
from gesso.model import Model
from gesso.training import needs
from gesso.training.footprint import Footprint
from tests.models import DEFAULTS, PLANS, random_weights, save_model
from tests.training.made import opened_model


@pytest.fixture(autouse=True)
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a step takes is not counted, which takes seconds; test_footprint.py does."""
    monkeypatch.setattr(needs, "footprint", lambda *_: Footprint(0, 0, 0))


class Files(dict[str, Path]):
    """Tiny checkpoints by family, written when first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __missing__(self, family: str) -> Path:
        self[family] = save_model(self.folder / f"{family}.safetensors", family)
        return self[family]


class Models(dict[str, Model]):
    """The same, loaded."""

    def __init__(self, files: Files) -> None:
        super().__init__()
        self.files = files

    def __missing__(self, family: str) -> Model:
        self[family] = opened_model(self.files[family])
        return self[family]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a UNet of two levels, for what takes long by the number of tensors."""
    plan = PLANS["sd1"]
    less = replace(plan, unet=replace(plan.unet, multipliers=(1, 2), depths=(1, 0)))
    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    save_file(random_weights(checkpoint_shapes(less)), path, {"gesso.defaults": DEFAULTS})
    return path


@pytest.fixture(scope="session")
def models(files: Files) -> Models:
    return Models(files)
