"""A folder of pictures: one ask over each of them."""

from collections.abc import Iterable
from pathlib import Path

from gesso.errors import RequestError
from gesso.request import Request
from gesso.series.axis import Ask
from gesso.series.fields import placed, validated

__all__ = ["PICTURES", "over_each"]

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Endings of the files that are taken for pictures."""


def over_each(folder: Path, start: Ask, masks: Path | None = None) -> dict[str, Request]:
    """The request over every picture of a folder, by the picture's name.

    Args:
        start: what is done to each.
        masks: a folder in which each finds its mask, under its own name with any ending, or one detector.

    Raises:
        RequestError: there are no pictures, one has no mask, two have one name, or it is to be several.
    """
    files = _pictures(folder)
    if not files:
        raise RequestError(f"{folder} must hold pictures, however: there are none")
    if start.data["count"] != 1:
        raise RequestError(f"each must become one picture, however: count is {start.data['count']}")
    shapes = None if masks is None else _masks(masks, files)
    return {name: validated(_over(start, name, file, shapes).data) for name, file in files.items()}


def _masks(masks: Path, files: Iterable[str]) -> dict[str, Path]:
    """By the pictures' names; a file, a detector, is for all of them."""
    return _pictures(masks) if masks.is_dir() else dict.fromkeys(files, masks)


def _pictures(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in PICTURES:
            continue
        if file.stem in found:
            raise RequestError(f"pictures must differ by name, however: {found[file.stem].name}, {file.name}")
        found[file.stem] = file
    return found


def _over(start: Ask, name: str, file: Path, shapes: dict[str, Path] | None) -> Ask:
    data = placed(start.data, "source.image", file)
    if shapes is not None:
        if name not in shapes:
            raise RequestError(f"every picture must have a mask of its name, however: {file.name} has none")
        data = placed(data, "source.mask.image", shapes[name])
    return Ask(start.model, data)
