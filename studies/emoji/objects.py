"""The things the model can paint: their names and their artwork."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

LIST = Path(__file__).with_name("objects.toml")
FAINT = 8  # alpha below this is the soft shadow's last trace, not the object


@dataclass(frozen=True)
class Thing:
    """One object: how it is called and which emoji shows it.

    Args:
        name: everyday singular, such as "top hat".
        code: file stem in the artwork package, code points in hexadecimal.
        also: another singular and its plural, or nothing.
    """

    name: str
    plural: str
    code: str
    also: tuple[str, str] | None = None

    def words(self, several: bool) -> tuple[str, ...]:
        """Every way to name one of it, or several of it; the everyday one first."""
        usual = self.plural if several else self.name
        return (usual, self.also[several]) if self.also else (usual,)


@cache
def things() -> tuple[Thing, ...]:
    """All objects, in the list's order."""
    rows = tomllib.loads(LIST.read_text())["things"]
    return tuple(
        Thing(row["name"], row["plural"], row["code"], tuple(row["also"]) if "also" in row else None)
        for row in rows
    )


class Sprites:
    """The artwork, cut to its outline and scaled, ready to be laid over a background.

    Args:
        folder: the unpacked artwork package's assets, one webp file a code point.
    """

    def __init__(self, folder: Path) -> None:
        self.pictures = [_cut(Image.open(folder / f"{thing.code}.webp")) for thing in things()]
        self.scaled: dict[tuple[int, int], Float32[np.ndarray, "h w 4"]] = {}

    def at(self, thing: int, longest: int) -> Float32[np.ndarray, "h w 4"]:
        """An object whose longer side is `longest` pixels; colour already multiplied by alpha, 0 to 1."""
        if (thing, longest) not in self.scaled:
            self.scaled[thing, longest] = _scale(self.pictures[thing], longest)
        return self.scaled[thing, longest]


def _cut(picture: Image.Image) -> Image.Image:
    """Without the empty border around the object."""
    rgba = picture.convert("RGBA")
    return rgba.crop(rgba.getchannel("A").point([0] * FAINT + [255] * (256 - FAINT)).getbbox())


def _scale(picture: Image.Image, longest: int) -> Float32[np.ndarray, "h w 4"]:
    ratio = longest / max(picture.size)
    size = (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio)))
    # Pillow's premultiplied mode keeps transparent pixels' colour out of the edges.
    small: UInt8[np.ndarray, "h w 4"] = np.asarray(
        picture.convert("RGBa").resize(size, Image.Resampling.LANCZOS)
    )
    return small.astype(np.float32) / 255
