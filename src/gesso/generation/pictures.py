"""Picture files that carry text: PNG, JPEG and WebP, written whole or not at all, never over another.

Where the two texts are: PNG has text chunks of those names. JPEG and WebP have EXIF: `parameters` in
UserComment, where the web UI looks for it, and `gesso` in MakerNote, which belongs to the maker.

Source: PNG specification, tEXt and iTXt; CIPA DC-008 (Exif 2.32), tags 0x9286 and 0x927C.
"""

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from gesso.errors import RequestError, ResourceError

__all__ = ["SUFFIXES", "Texts", "packed", "read_texts", "write_picture"]

_EXIF, _USER_COMMENT, _MAKER_NOTE = 0x8769, 0x9286, 0x927C
_LARGEST_EXIF = 65_533


@dataclass(frozen=True)
class Texts:
    """What a picture carries beside its pixels.

    Args:
        parameters: for other programs; None where there is none.
        gesso: JSON, all ASCII; None where there is none.
    """

    parameters: str | None = None
    gesso: str | None = None


def write_picture(image: Image.Image, path: Path, texts: Texts) -> Path:
    """Save a picture under this name, or with the next free number behind it.

    JPEG is saved at quality 95 without colour subsampling, WebP without loss.

    Returns:
        The file that was written.

    Raises:
        RequestError: the name's ending is of no known format, or JPEG or WebP has no room for so much text.
        ResourceError: the file cannot be written.
    """
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise RequestError(
            f"a picture's name must end in {', '.join(SUFFIXES)}, however: {path.name}", hint="use .png"
        )
    try:
        return _placed(path, lambda file: write(image, file, texts, None))
    except OSError as error:
        raise ResourceError(
            f"{path} must be a place to write to, however: {error.strerror or error}"
        ) from error


def packed(image: Image.Image, suffix: str, texts: Texts, quality: int | None = None) -> bytes:
    """A picture's bytes in one of the formats.

    Args:
        suffix: one of `SUFFIXES`.
        quality: of JPEG and WebP, 0 to 100, instead of what files are saved with.

    Raises:
        RequestError: JPEG or WebP has no room for so much text.
    """
    out = io.BytesIO()
    _WRITERS[suffix](image, out, texts, quality)
    return out.getvalue()


def read_texts(path: Path) -> Texts:
    """The texts of a picture by gesso, the web UI or one of its kin.

    Raises:
        RequestError: the file is not a picture.
    """
    try:
        with Image.open(path) as image:
            if image.format == "PNG":
                return Texts(_chunk(image, "parameters"), _chunk(image, "gesso"))
            exif = image.getexif().get_ifd(_EXIF)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise RequestError(f"{path} must be a picture, however: {error}") from error
    comment, note = exif.get(_USER_COMMENT), exif.get(_MAKER_NOTE)
    return Texts(
        _comment(comment) if isinstance(comment, bytes) else None,
        note.decode("ascii", "replace") if isinstance(note, bytes) and note.startswith(b"{") else None,
    )


def _write_png(image: Image.Image, file: BinaryIO, texts: Texts, _quality: int | None) -> None:
    info = PngInfo()
    for name, text in (("parameters", texts.parameters), ("gesso", texts.gesso)):
        if text is not None:
            info.add_text(name, _encodable(text))
    image.save(file, "PNG", pnginfo=info)


def _write_jpeg(image: Image.Image, file: BinaryIO, texts: Texts, quality: int | None) -> None:
    image.convert("RGB").save(
        file, "JPEG", quality=95 if quality is None else quality, subsampling=0, exif=_exif(texts)
    )


def _write_webp(image: Image.Image, file: BinaryIO, texts: Texts, quality: int | None) -> None:
    how = {"lossless": True, "exact": True} if quality is None else {"quality": quality}
    image.save(file, "WEBP", **how, exif=_exif(texts))


_WRITERS: dict[str, Callable[[Image.Image, BinaryIO, Texts, int | None], None]] = {
    ".png": _write_png,
    ".jpg": _write_jpeg,
    ".jpeg": _write_jpeg,
    ".webp": _write_webp,
}
SUFFIXES = tuple(_WRITERS)
"""Endings of the formats that can be written."""


def _exif(texts: Texts) -> bytes:
    exif = Image.Exif()
    # Big-endian, as the comment below: some readers take the comment's order from the file's.
    exif.endian = ">"
    tags = exif.get_ifd(_EXIF)
    if texts.parameters is not None:
        tags[_USER_COMMENT] = b"UNICODE\0" + _encodable(texts.parameters).encode("utf-16-be")
    if texts.gesso is not None:
        tags[_MAKER_NOTE] = texts.gesso.encode("ascii")
    packed = exif.tobytes()
    if len(packed) > _LARGEST_EXIF:
        raise RequestError(
            f"texts in JPEG and WebP must fit into {_LARGEST_EXIF} bytes, however: {len(packed)}",
            hint="save as .png",
        )
    return packed


def _comment(packed: bytes) -> str:
    code, text = packed[:8], packed[8:]
    if code != b"UNICODE\0":
        return text.decode("utf-8", "replace")
    # The standard leaves the order open; most characters of most prompts have a zero as their high byte.
    order = "utf-16-le" if text[1::2].count(0) > text[::2].count(0) else "utf-16-be"
    return text.decode(order, "replace").removeprefix("\ufeff")


def _chunk(image: Image.Image, name: str) -> str | None:
    text = image.info.get(name)
    return str(text) if isinstance(text, str) else None


def _encodable(text: str) -> str:
    """Without halves of surrogate pairs, which no encoding has."""
    return text.encode("utf-8", "replace").decode()


def _placed(path: Path, write: Callable[[BinaryIO], None]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        target = _claimed(path)
        part.chmod(target.stat().st_mode)
        return part.replace(target)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _claimed(path: Path) -> Path:
    """A name nobody has, taken by an empty file: also two programs at once never get the same."""
    for candidate in _numbered(path):
        with suppress(FileExistsError):
            candidate.touch(exist_ok=False)
            return candidate
    raise AssertionError("numbers never end")


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    number = 2
    while True:
        yield path.with_stem(f"{path.stem}-{number}")
        number += 1
