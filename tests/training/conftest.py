from pathlib import Path

import pytest

from gesso.model import Model
from tests.models import save_model
from tests.training.made import opened_model


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
def models(files: Files) -> Models:
    return Models(files)
