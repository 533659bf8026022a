from pathlib import Path

import pytest

from gesso.errors import UnknownName
from gesso.server.catalogue import Catalogue
from tests.models import save_model
from tests.server.serving import settings_in


def test_what_can_paint_is_found_by_name_title_and_alias(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, aliases={"dall-e-3": "deep/tiny.safetensors"}, model="tiny")
    deep = settings.places.library / "deep"
    deep.mkdir()
    save_model(deep / "tiny.safetensors", "sd1")
    (deep / "broken.safetensors").write_bytes(b"no")
    (deep / "notes.txt").write_text("no")
    catalogue = Catalogue(settings)
    assert [(each.name, each.title) for each in catalogue.entries()] == [
        ("", "emoji"),
        ("deep/tiny.safetensors", "tiny"),
    ]
    for name in ("dall-e-3", "deep/tiny.safetensors", "TINY", "tiny"):
        assert catalogue.entry(name).size == (64, 64)
        assert catalogue.entry(name) == catalogue.default()
    with pytest.raises(UnknownName, match="tony"):
        catalogue.entry("tony")
    (deep / "tiny.safetensors").unlink()
    assert [each.title for each in catalogue.entries()] == ["emoji"]
