from pathlib import Path

import pytest
from PIL import Image

from gesso.generation.pictures import Texts, read_texts, write_picture
from gesso.server.renditions import MEDIA_TYPES, PictureFormat, Rendition, rendered
from tests.server.serving import picture

TEXTS = Texts("a hat\nSteps: 1, Sampler: Euler, Seed: 2", '{"gesso": 1}')


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("size", [None, (32, 16), (50, 70)])
def test_a_rendition_has_the_size_format_and_texts(
    tmp_path: Path, kind: PictureFormat, size: tuple[int, int] | None
) -> None:
    file = write_picture(Image.new("RGB", (32, 16), "red"), tmp_path / "a.png", TEXTS)
    packed = rendered(file, Rendition(size, kind, 50))
    image = picture(packed)
    assert image.size == (size or (32, 16))
    assert image.format == kind.upper()
    (tmp_path / f"b.{kind}").write_bytes(packed)
    assert read_texts(tmp_path / f"b.{kind}") == TEXTS
    assert kind in MEDIA_TYPES


def test_what_is_asked_for_as_it_is_keeps_its_bytes(tmp_path: Path) -> None:
    file = write_picture(Image.new("RGB", (32, 16), "red"), tmp_path / "a.png", TEXTS)
    for same in (Rendition(), Rendition((32, 16))):
        assert rendered(file, same) == file.read_bytes()
    assert Rendition((3, 4), quality=5).query() == {"size": "3x4", "quality": "5"}
