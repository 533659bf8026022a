from pathlib import Path

import pytest

from gesso.model import Model, load
from tests.models import save_model


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    names = ("sd1", "sd2", "sdxl", "sdxl-refiner")
    return {name: save_model(folder / f"{name}.safetensors", name) for name in names}


@pytest.fixture(scope="session")
def models(files: dict[str, Path]) -> dict[str, Model]:
    return {name: load(path, device="cpu", dtype="float32") for name, path in files.items()}
