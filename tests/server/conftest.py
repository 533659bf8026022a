from collections.abc import Iterator

import pytest

from tests.models import save_model
from tests.server.serving import Server, serving, settings_in


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The built-in checkpoint and a tiny one, served."""
    settings = settings_in(tmp_path_factory.mktemp("served"), aliases={"dall-e-3": "tiny"})
    save_model(settings.places.library / "tiny.safetensors", "sd1")
    with serving(settings) as server:
        yield server
