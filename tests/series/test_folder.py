from pathlib import Path

import pytest

from gesso.errors import RequestError
from gesso.request import Mask, Request, Source
from gesso.series.axis import Ask
from gesso.series.folder import over_each


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / "photos" / name).touch()
    return tmp_path / "photos"


def ask(**fields: object) -> Ask:
    return Ask(None, Request.model_validate({"prompt": "a cat", **fields}).model_dump())


def test_the_same_is_asked_over_every_picture(photos: Path) -> None:
    found = over_each(photos, ask(source={"strength": 0.3}))
    assert list(found) == ["a", "b"]
    assert found["a"].source == Source(image=photos / "a.JPG", strength=0.3)
    assert {each.prompt for each in found.values()} == {"a cat"}


def test_a_detector_is_for_all(photos: Path, tmp_path: Path) -> None:
    found = over_each(photos, ask(), tmp_path / "faces.onnx")
    assert len(found) == 2
    for each in found.values():
        assert each.source is not None
        assert each.source.mask == Mask(image=tmp_path / "faces.onnx")


def test_masks_are_found_by_name(photos: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / "a.png").touch()
    with pytest.raises(RequestError, match=r"a mask of its name, however: b\.png has none"):
        over_each(photos, ask(), masks)
    (masks / "b.webp").touch()
    found = over_each(photos, ask(source={"mask": {"feather": 3}}), masks)
    assert found["b"].source is not None
    assert found["b"].source.mask == Mask(image=masks / "b.webp", feather=3)


def test_what_is_not_one_for_one_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="must hold pictures, however: there are none"):
        over_each(tmp_path, ask())
    with pytest.raises(RequestError, match="one picture, however: count is 2"):
        over_each(photos, ask(count=2))
    (photos / "b.webp").touch()
    with pytest.raises(RequestError, match=r"must differ by name, however: b\.png, b\.webp"):
        over_each(photos, ask())
