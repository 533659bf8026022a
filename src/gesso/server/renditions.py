"""Renditions: a finished picture in the size and format that somebody asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from gesso.generation.pictures import packed, read_texts

__all__ = ["MEDIA_TYPES", "PictureFormat", "Rendition", "rendered"]

PictureFormat = Literal["png", "jpeg", "webp"]
MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


@dataclass(frozen=True)
class Rendition:
    """How a picture is handed out.

    Args:
        size: width and height in pixels; as it was painted unless given.
        quality: of JPEG and WebP, 0 to 100; unless given, as `gesso` saves files.
    """

    size: tuple[int, int] | None = None
    format: PictureFormat = "png"
    quality: int | None = None

    def query(self) -> dict[str, str]:
        """The parts of it that a link names, as far as they were asked for."""
        size = {"size": f"{self.size[0]}x{self.size[1]}"} if self.size else {}
        return size if self.quality is None else {**size, "quality": str(self.quality)}


def rendered(file: Path, rendition: Rendition) -> bytes:
    """A picture file's bytes in that rendition, with all that the picture carries."""
    with Image.open(file) as image:
        same = rendition.size in {None, image.size}
        if same and rendition.format == "png" and image.format == "PNG":
            return file.read_bytes()
        image.load()
        shown = image if same else image.resize(rendition.size or image.size, Image.Resampling.LANCZOS)
        return packed(shown, f".{rendition.format}", read_texts(file), rendition.quality)
