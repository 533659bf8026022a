"""The Source: a picture to start from, what of it is painted anew, and how."""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from gesso.request.parts import OptionValue, Part, PortablePath

__all__ = ["Extend", "Growth", "Mask", "Source", "Upscaler"]


_GEOMETRY = re.compile(r"(\d+)x(\d+)\+(\d+)\+(\d+)")


def _read_box(value: object) -> object:
    """Accept the window systems' "WIDTHxHEIGHT+LEFT+TOP" beside four numbers."""
    found = _GEOMETRY.fullmatch(value) if isinstance(value, str) else None
    return value if found is None else (found[3], found[4], found[1], found[2])


Place = Annotated[int, Field(ge=0, le=16384)]
Length = Annotated[int, Field(ge=1, le=16384)]
Box = Annotated[tuple[Place, Place, Length, Length], BeforeValidator(_read_box)]
"""Left, top, width and height in pixels.

Source: X11's geometry specifications, also ImageMagick's.
"""


class Mask(Part):
    """Which pixels of the source are painted anew."""

    image: PortablePath | None = None
    """The mask's picture file, as large as the source, or a detector, an ONNX file, that finds in the source
    what is painted; without it or a box, the source's transparency."""
    box: Box | None = None
    """Or a rectangle: left, top, width and height in pixels, also written WIDTHxHEIGHT+LEFT+TOP."""
    sha256: str | None = None
    """The mask file's hash; a file that differs is refused."""
    options: dict[str, OptionValue] = Field(default_factory=dict[str, OptionValue])
    """A detector's settings by name: score, kind, side."""
    paint: Literal["white", "black", "transparent", "opaque"] = "white"
    """Which of the mask's pixels mean "paint"; greys between mean a part of it."""
    grow: int = Field(default=0, ge=-1024, le=1024)
    """Pixels by which the mask is grown, or shrunk below 0, before anything else."""
    blur: float = Field(default=0.0, ge=0.0, le=256.0)
    """Standard deviation in pixels of a blur that softens the mask to both sides."""
    feather: int = Field(default=8, ge=0, le=1024)
    """Pixels over which the painting fades in, inwards from the mask's edge."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str | Path):
            return value
        return {"box": value} if _GEOMETRY.fullmatch(str(value)) else {"image": value}

    @model_validator(mode="after")
    def _one_shape(self) -> "Mask":
        if self.image is not None and self.box is not None:
            raise ValueError("a mask must be a picture or a box, however: it is both")
        return self


Growth = Annotated[int, Field(ge=0, le=16384)]


class Extend(Part):
    """How far the canvas is grown beyond the source, in pixels."""

    left: Growth = 0
    """Pixels to the left."""
    up: Growth = 0
    """Pixels above."""
    right: Growth = 0
    """Pixels to the right."""
    down: Growth = 0
    """Pixels below."""
    overlap: int = Field(default=0, ge=0, le=1024)
    """Pixels of the source, next to the new border, that may be painted too; 0 keeps every one."""


Upscaler = (
    Literal["lanczos", "bicubic", "nearest", "latent", "latent-bicubic", "latent-nearest"] | PortablePath
)


class Source(Part):
    """A picture to start from (img2img), to paint into (inpaint) or to paint around (outpaint)."""

    image: PortablePath | None = None
    """The picture file; none in what follows on a picture, which is over that picture."""
    sha256: str | None = None
    """The file's hash; a file that differs is refused."""
    strength: float = Field(default=0.75, ge=0.0, le=1.0)
    """How much is painted anew: the share of the steps that run. 1 keeps only the size, 0 paints nothing."""
    by: float | None = Field(default=None, gt=0.0, le=16.0)
    """How many times larger than the picture it is painted; unless given, the request's size decides."""
    upscaler: Upscaler = "lanczos"
    """What brings it to its size: lanczos, bicubic, nearest, latent, latent-bicubic, latent-nearest, or the
    file of an upscaling network."""
    upscaler_sha256: str | None = None
    """That file's hash; a file that differs is refused."""
    turn: int = Field(default=0, ge=0, le=1000)
    """How many paintings came before over the same picture; each has other noise of the same seed."""
    mask: Mask | None = None
    """Which pixels are painted anew; the others keep their bytes. Unless given, all of them."""
    extend: Extend | None = None
    """How far the canvas is grown."""
    fill: Literal["original", "neighbour", "patch", "blur", "noise", "nothing"] = "original"
    """What painting starts from: what is there, what surrounds it, pieces that look alike, a blur, random
    or empty latents."""
    soft: Literal["strength", "blend"] = "strength"
    """What greys in a mask mean: painted anew to that share, or mixed in by that share."""
    only_masked: bool = False
    """Paint a cutting around the mask at the model's own size, instead of the whole picture."""
    padding: int = Field(default=32, ge=0, le=4096)
    """Pixels around the mask that such a cutting shows beside it."""
    match: Literal["smooth", "ring", "none"] = "smooth"
    """How the painting's colours are fitted to what is kept: along the seam, by mean and spread, or not."""
    hold: bool = True
    """Hold what is kept at every step. Models made for inpainting also work without."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        return {"image": value} if isinstance(value, str | Path) else value
