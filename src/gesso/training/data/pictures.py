"""Pictures with their captions, gathered from shelves; nothing is decoded yet."""

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

from gesso.errors import RequestError
from gesso.generation.infotext import parse
from gesso.generation.pictures import read_texts
from gesso.training.data.shelf import Folder, Shelf, shelf
from gesso.training.data.wordings import ENDINGS, Wording, beside, listed, mistyped, stem
from gesso.training.recipe import CaptionRules, PictureSet

__all__ = ["Picture", "gathered"]

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif")
COUNTED = re.compile(r"(\d+)_(.+)")
"""Folders that say how often each picture is shown, and of what class it is. Source: kohya-ss/sd-scripts."""
ORIENTATION, LYING = 0x0112, 5
"""EXIF's tag of how a picture is held, and from which value on width and height change places."""


@dataclass(frozen=True)
class Picture:
    """A picture file and what is said of it.

    Args:
        shelf: where it is.
        name: its file there.
        wordings: its captions; empty where it has none.
        kind: the set it belongs to.
        repeats: how often it is shown in a round.
        mask: file of what is learnt of it.
        hint: file of what a ControlNet is shown.
    """

    shelf: Shelf
    name: str
    wordings: tuple[Wording, ...]
    kind: PictureSet
    repeats: int = 1
    mask: Path | None = None
    hint: Path | None = None
    role: str = field(default="train")

    @property
    def file(self) -> str:
        """As people are told of it."""
        return str(self.shelf.path / self.name)

    @property
    def digest(self) -> str:
        """Of the bytes that decide its pixels and its mask."""
        found = hashlib.sha256(self.shelf.read(self.name))
        for extra in (self.mask, self.hint):
            found.update(b"" if extra is None else extra.read_bytes())
        return found.hexdigest()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright, from the file's header alone.

        Raises:
            RequestError: it is no picture.
        """
        try:
            with Image.open(io.BytesIO(self.shelf.read(self.name))) as file:
                turned = file.getexif().get(ORIENTATION, 1) >= LYING
                return (file.height, file.width) if turned else file.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise _unreadable(self.file, error) from error

    def opened(self) -> Image.Image:
        """Upright, RGB, or RGBA where its transparency counts.

        Raises:
            RequestError: it is broken, or holds numbers that are not finite.
        """
        return _opened(self.shelf.read(self.name), self.file, "RGBA" if self.kind.alpha else "RGB")

    def hinted(self) -> Image.Image | None:
        """What a ControlNet is shown of it."""
        return None if self.hint is None else _opened(self.hint.read_bytes(), str(self.hint), "RGB")

    def masked(self) -> Image.Image | None:
        """What is learnt of it, white, if that is not all."""
        if self.mask is not None:
            return _opened(self.mask.read_bytes(), str(self.mask), "L")
        return self.opened().getchannel("A") if self.kind.alpha else None


def gathered(sets: Sequence[PictureSet], rules: CaptionRules) -> tuple[Picture, ...]:
    """Every picture of these sets, in one order that only names decide.

    Raises:
        RequestError: a folder is not there or empty, or a caption file cannot be read or looks mistyped.
    """
    endings = ENDINGS if rules.ending is None else (rules.ending,)
    return tuple(each for kind in sets for part in _parts(kind) for each in _of(part, endings))


@dataclass(frozen=True)
class _Part:
    """A shelf of a set, and what its name says."""

    shelf: Shelf
    kind: PictureSet
    repeats: int
    token: str | None


def _parts(kind: PictureSet) -> Iterator[_Part]:
    """The set's folder, or the counted folders within it."""
    home = shelf(kind.folder)
    inner = sorted(each for each in kind.folder.glob("*/") if COUNTED.fullmatch(each.name))
    for each in inner or [kind.folder]:
        named = COUNTED.fullmatch(each.resolve().name)
        repeats, token = (int(named[1]), named[2]) if named else (1, None)
        yield _Part(Folder(each) if inner else home, kind, kind.repeats * max(1, repeats), token)


def _of(part: _Part, endings: Sequence[str]) -> Iterator[Picture]:
    names = part.shelf.names
    tar = not isinstance(part.shelf, Folder)
    pictures = [name for name in names if PurePosixPath(name).suffix.lower() in PICTURES]
    if not pictures:
        raise RequestError(f"{part.shelf.path} must have pictures in it, however: there are none")
    kin: dict[str, list[str]] = {stem(name, tar=tar): [] for name in pictures}
    for name in set(names) - set(pictures):
        kin.get(stem(name, tar=tar), []).append(name)
    wrong = mistyped(sorted(name for each in kin.values() for name in each), endings)
    if wrong:
        raise RequestError(
            f"caption files must end in {' or '.join(endings)}, however: {wrong[0]} in {part.shelf.path}"
            + (f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""),
            hint="rename them, or name their ending: captions.ending",
        )
    lists = listed(part.shelf, names)
    for name in pictures:
        own = beside(part.shelf, sorted(kin[stem(name, tar=tar)]), endings) or lists.get(name, ())
        yield _with_words(_with_files(part, name), own, part.token)


def _with_files(part: _Part, name: str) -> Picture:
    own = stem(name)
    return Picture(
        part.shelf,
        name,
        (),
        part.kind,
        part.repeats,
        _named(part.kind.masks, own),
        _named(part.kind.hints, own),
        part.kind.role,
    )


def _named(folder: Path | None, own: str) -> Path | None:
    """The file of a picture's name in another folder; it must be there."""
    if folder is None:
        return None
    found = next((path for end in PICTURES if (path := folder / f"{own}{end}").is_file()), None)
    if found is None:
        raise RequestError(f"every picture must have its file in {folder}, however: there is none for {own}")
    return found


def _with_words(picture: Picture, own: tuple[Wording, ...], token: str | None) -> Picture:
    """Its own captions, else what its pixels' file says, else what is said of the set."""
    if not own and picture.kind.metadata:
        own = _inside(picture)
    if not own and picture.kind.caption is not None:
        own = (Wording(picture.kind.caption, source="the recipe"),)
    if not own and token is not None:
        own = (Wording(token.replace("_", " "), source="the folder's name"),)
    return replace(picture, wordings=own)


def _inside(picture: Picture) -> tuple[Wording, ...]:
    if not isinstance(picture.shelf, Folder):
        return ()
    text = read_texts(picture.shelf.path / picture.name).parameters
    return () if text is None else (Wording(parse(text).prompt, source="its metadata"),)


def _opened(content: bytes, name: str, mode: str) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content)) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode == "F" and not np.isfinite(np.asarray(image)).all():
                raise RequestError(f"pictures must hold finite numbers, however: {name} does not")
            return image.convert(mode)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> RequestError:
    return RequestError(f"{name} must be a picture that can be read, however: {error}")
