"""Editing: a picture and its mask as files, what a model is shown, and the painting laid back over it."""

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from gesso.annotators.network import ENDING, drawn, network_options
from gesso.errors import RequestError
from gesso.generation.canvas import Growth, Seen, Stage
from gesso.generation.composite import composed, matched
from gesso.generation.exemplar import continued
from gesso.generation.fills import blurred, neighbour
from gesso.generation.masks import bounds, edge, opacity, shaped
from gesso.request import Mask, Request, Source

__all__ = [
    "Canvas",
    "Original",
    "check_hash",
    "open_picture",
    "opened",
    "over_white",
    "picture_hash",
    "prepared",
    "surveyed",
]

Bytes = NDArray[np.uint8]

_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
"""Pillow's modes of more than 8 bits a channel."""
_PAINTED_OVER = 255
"""Transparent parts are shown to a model over white."""


@dataclass(frozen=True)
class Original:
    """A source's pixels as they are in the file.

    Args:
        pixels: [h w 3], or [h w 4] with transparency.
        mask: [h w], 255 paints; None without a mask.
    """

    pixels: Bytes
    mask: Bytes | None


def surveyed(request: Request, before: tuple[int, int] | None = None) -> tuple[Request, Seen | None]:
    """A request with its source's files named by their hashes, and what a plan has to know of them.

    Args:
        before: width and height of the picture that it follows on.

    Raises:
        RequestError: a file is missing, no picture, or not the one that the request was made for.
    """
    source = request.source
    if source is None:
        return request, None
    if source.image is None and source.mask is not None and _finds(source.mask):
        raise RequestError(
            "a mask that a network finds must be of a picture in a file, however: it is of one to come",
            hint="save the picture, then edit it",
        )
    blank = None if before is None else np.broadcast_to(np.uint8(0), (before[1], before[0], 3))
    original = opened(source, blank)
    named = request.model_copy(update={"source": source.model_copy(update=_hashes(source))})
    height, width = original.pixels.shape[:2]
    painted = None if original.mask is None else bounds(original.mask)
    return named, Seen((width, height), painted)


def _hashes(source: Source) -> dict[str, object]:
    found: dict[str, object] = {}
    if source.image is not None:
        found["sha256"] = picture_hash(source.image, "source.image")
    if source.mask is not None and source.mask.image is not None:
        digest = picture_hash(source.mask.image, "source.mask.image")
        found["mask"] = source.mask.model_copy(update={"sha256": digest})
    return found


def opened(source: Source, before: Bytes | None = None) -> Original:
    """A source's picture and mask, turned upright, every 8-bit value as it is in the file.

    Args:
        before: the picture that it follows on.

    Raises:
        RequestError: a file is missing, no picture, of more than 8 bits a channel, or not the one that the
            request was made for; the mask is of another size, or there is no transparency to be one.
    """
    pixels = before if source.image is None else _upright(source.image, source.sha256)
    if pixels is None:
        raise RequestError("source.image must name a picture, however: it names none")
    return Original(pixels, None if source.mask is None else _mask(source.mask, pixels))


def _upright(path: Path, digest: str | None) -> Bytes:
    picture = open_picture(path, digest, "source.image")
    return np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))


def _mask(mask: Mask, pixels: Bytes) -> Bytes:
    height, width = pixels.shape[:2]
    if mask.box is not None:
        return shaped(_boxed(mask.box, (width, height)), mask)
    if mask.image is None:
        if pixels.shape[-1] != 4:
            raise RequestError(
                "source.mask must name a file, however: it names none, and the source has no transparency"
            )
        return shaped(_marked(Image.fromarray(pixels), mask), mask)
    if _finds(mask):
        check_hash(mask.image, mask.sha256, "source.mask.image")
        found = drawn(Image.fromarray(pixels), mask.image, network_options(mask.options))
        return shaped(_marked(found, mask), mask)
    picture = open_picture(mask.image, mask.sha256, "source.mask.image")
    if picture.size != (width, height):
        raise RequestError(
            f"source.mask must be as large as the source, however: it is "
            f"{picture.width}x{picture.height}, the source {width}x{height}"
        )
    return shaped(_marked(picture, mask), mask)


def _finds(mask: Mask) -> bool:
    return mask.image is not None and mask.image.suffix.lower() == ENDING


def _boxed(box: tuple[int, int, int, int], size: tuple[int, int]) -> Bytes:
    left, top, width, height = box
    if left + width > size[0] or top + height > size[1]:
        raise RequestError(
            f"a mask's box must lie within {size[0]}x{size[1]}, however: it is {width}x{height}+{left}+{top}"
        )
    drawn = np.zeros((size[1], size[0]), np.uint8)
    drawn[top : top + height, left : left + width] = 255
    return drawn


def _marked(picture: Image.Image, mask: Mask) -> Bytes:
    """What a mask's picture says to paint, 255 for all of it."""
    if mask.image is None or mask.paint in {"transparent", "opaque"}:
        solid = np.asarray(picture.convert("RGBA"))[..., 3]
        return solid if mask.paint == "opaque" else 255 - solid
    over = Image.new("RGBA", picture.size, "black" if mask.paint == "white" else "white")
    light = np.asarray(Image.alpha_composite(over, picture.convert("RGBA")).convert("L"))
    return light if mask.paint == "white" else 255 - light


def picture_hash(path: Path, field: str) -> str:
    """A picture file's SHA-256.

    Args:
        field: of the request, that names it.

    Raises:
        RequestError: the file cannot be read.
    """
    return _hash(_read(path, field))


def open_picture(path: Path, digest: str | None, field: str) -> Image.Image:
    """A picture file, turned upright.

    Args:
        digest: the hash that it must have.
        field: of the request, that names it.

    Raises:
        RequestError: the file is missing, no picture, of more than 8 bits a channel, or another than it was.
    """
    content = check_hash(path, digest, field)
    try:
        picture = Image.open(BytesIO(content))
        picture.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise RequestError(f"{field} must be a picture, however: {path}: {error}") from error
    if picture.mode in _DEEP:
        raise RequestError(
            f"{field} must have 8 bits a channel, however: {path} is of mode {picture.mode}",
            hint="save it as an ordinary PNG first",
        )
    return ImageOps.exif_transpose(picture)


def check_hash(path: Path, digest: str | None, field: str) -> bytes:
    """What a file holds, if it is the one that a request was made for.

    Args:
        digest: the hash that it must have.
        field: of the request, that names it.

    Raises:
        RequestError: the file cannot be read, or is another.
    """
    content = _read(path, field)
    if digest is not None and _hash(content) != digest:
        raise RequestError(
            f"{field} must be the file that the request was made for, however: {path} has changed",
            hint=f"wanted: sha256 {digest}",
        )
    return content


def _read(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(f"{field} must be a picture, however: {path}: {error.strerror}") from error


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Canvas:
    """A picture with one stage of an edit prepared on it.

    Args:
        pixels: the grown picture, [h w 3] or [h w 4]; what is added shows what surrounds it.
        mask: [h w], what this stage paints.
        stage: its geometry.
        source: how it is to be painted.
    """

    pixels: Bytes
    mask: Bytes
    stage: Stage
    source: Source

    @property
    def hole(self) -> Bytes:
        """The mask as the model sees it, [h w] at the working size."""
        part = Image.fromarray(self.mask[self.stage.box.area])
        if part.size == self.stage.size:
            return np.asarray(part)
        return np.asarray(part.resize(self.stage.size, Image.Resampling.BOX))

    @property
    def shown(self) -> Image.Image:
        """The part that the model sees, at the working size, with the hole filled."""
        seen, mask = over_white(self.pixels[self.stage.box.area]), self.mask[self.stage.box.area]
        share = (mask / 255.0)[..., None]
        mixed = seen + share * (self._filled(seen, mask > 0).astype(np.float64) - seen)
        return _resized(Image.fromarray(mixed.round().astype(np.uint8)), self.stage.size)

    def painted(self, painting: Image.Image) -> Bytes:
        """The picture with a painting of that part laid over it; outside the mask, the same bytes as before.

        Args:
            painting: at the working size.
        """
        box, overlap = self.stage.box, self.source.extend.overlap if self.source.extend else 0
        feather = self.source.mask.feather if self.source.mask else 0
        fade = overlap if any(vars(self.stage.growth).values()) else feather
        # over the whole canvas: a cutting's own edge is no edge of the mask
        shares = opacity(self.mask, self.source.soft, fade)[box.area]
        kept = self.pixels[box.area]
        fitted = matched(
            np.asarray(_resized(painting, box.size)), over_white(kept), shares, self.source.match
        )
        whole = self.pixels.copy()
        whole[box.area] = composed(kept, fitted, shares)
        return whole

    def _filled(self, seen: Bytes, hole: NDArray[np.bool_]) -> Bytes:
        match self.source.fill:
            case "neighbour":
                return neighbour(seen, hole)
            case "patch":
                return continued(seen, hole)
            case "blur":
                return blurred(seen, hole)
            case _:
                return seen


def prepared(pixels: Bytes, stage: Stage, source: Source, mask: Bytes | None) -> Canvas:
    """A picture grown as a stage says, with the mask of what the stage paints.

    Args:
        pixels: as the stage before left it.
        mask: what the user's mask paints; used by stages that add nothing.
    """
    if stage.growth == Growth():
        assert mask is not None
        return Canvas(pixels, mask, stage, source)
    size = stage.growth.grown((pixels.shape[1], pixels.shape[0]))
    overlap = source.extend.overlap if source.extend else 0
    return Canvas(_grown(pixels, stage.growth), edge(size, stage.growth, overlap), stage, source)


def _grown(pixels: Bytes, growth: Growth) -> Bytes:
    """A picture on a larger canvas, continued into what is added, where it is opaque."""
    added = ((growth.up, growth.down), (growth.left, growth.right))
    hole = np.pad(np.zeros(pixels.shape[:2], np.bool_), added, constant_values=True)
    grown = np.pad(pixels, (*added, (0, 0)))
    whole = grown.copy()
    whole[..., :3] = neighbour(np.pad(over_white(pixels), (*added, (0, 0))), hole)
    if pixels.shape[-1] == 4:
        whole[..., 3] = 255
    return np.where(hole[..., None], whole, grown)


def over_white(pixels: Bytes) -> Bytes:
    """What is seen of a picture, [h w 3]: over white where it is transparent."""
    if pixels.shape[-1] == 3:
        return pixels
    share = pixels[..., 3:].astype(np.float64) / 255.0
    return (_PAINTED_OVER + share * (pixels[..., :3] - float(_PAINTED_OVER))).round().astype(np.uint8)


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
