"""Wordings: the captions of pictures, read from beside them, and what becomes of one when it is drawn."""

import difflib
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import PurePosixPath
from typing import Any, cast

from gesso.errors import RequestError
from gesso.training.data.shelf import Shelf
from gesso.training.recipe import CaptionRules

__all__ = ["ENDINGS", "Wording", "beside", "decoded", "drawn", "dropped", "listed", "mistyped", "stem"]

ENDINGS = (".txt", ".caption")
"""Endings of caption files, unless a recipe names another."""
LISTS = ("metadata.jsonl", "captions.jsonl")
"""Files with one JSON object a line: `file_name`, and `text` or `caption` or `captions`.

Source: Hugging Face datasets, "ImageFolder with metadata"."""
CLOSE = 0.6


@dataclass(frozen=True)
class Wording:
    """One caption of a picture.

    Args:
        text: as written.
        weight: how often it is drawn, relative to the picture's others.
        source: where it was found, for the audit.
    """

    text: str
    weight: float = 1.0
    source: str = ""


def decoded(content: bytes, name: str) -> str:
    """A text file's characters: UTF-8, or UTF-16 where the file says so by its first bytes.

    Raises:
        RequestError: it is neither.
    """
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"{name} must be text in UTF-8 or UTF-16, however: {error}") from error


def stem(name: str, *, tar: bool = False) -> str:
    """What a picture and its caption have in common: in tar files the name up to its first dot."""
    path = PurePosixPath(name)
    own = path.name.split(".", 1)[0] if tar else path.stem
    return str(path.parent / own)


def beside(shelf: Shelf, own: Sequence[str], endings: Iterable[str]) -> tuple[Wording, ...]:
    """The captions in the text file of a picture: one a line; an empty file says nothing, on purpose.

    Args:
        own: every file with the picture's stem.

    Raises:
        RequestError: there are two such files.
    """
    found = [name for name in own if PurePosixPath(name).suffix.lower() in tuple(endings)]
    if len(found) > 1:
        raise RequestError(
            f"a picture must have one caption file, however: {' and '.join(found)} in {shelf.path}",
            hint="name the ending to read: captions.ending",
        )
    if not found:
        return ()
    lines = [line.strip() for line in decoded(shelf.read(found[0]), found[0]).splitlines()]
    return tuple(Wording(line, source=found[0]) for line in lines if line) or (Wording("", source=found[0]),)


def listed(shelf: Shelf, names: Iterable[str]) -> Mapping[str, tuple[Wording, ...]]:
    """Captions by picture from a shelf's list of them, if it has one.

    Raises:
        RequestError: a line is not what it must be.
    """
    name = next((each for each in LISTS if each in names), None)
    if name is None:
        return {}
    rows: dict[str, tuple[Wording, ...]] = {}
    for number, line in enumerate(decoded(shelf.read(name), name).splitlines(), 1):
        if line.strip():
            file, wordings = _row(line, f"{name}:{number}")
            rows[file] = wordings
    return rows


def _row(line: str, place: str) -> tuple[str, tuple[Wording, ...]]:
    try:
        row = cast(dict[str, Any], json.loads(line))
        said = next(row[key] for key in ("captions", "caption", "text") if key in row)
        each = cast(list[object], said) if isinstance(said, list) else [said]
        return str(row["file_name"]), tuple(_wording(one, place) for one in each)
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise RequestError(
            f"{place} must be JSON with file_name and text, caption or captions, however: {line[:60]!r}"
        ) from error


def _wording(one: object, place: str) -> Wording:
    if isinstance(one, str):
        return Wording(one.strip(), source=place)
    row = cast(dict[str, Any], one)
    return Wording(str(row["text"]).strip(), float(row.get("weight", 1.0)), place)


def mistyped(names: Iterable[str], endings: Sequence[str]) -> tuple[str, ...]:
    """Files beside pictures whose ending is nearly that of captions."""
    return tuple(
        name
        for name in names
        if (ending := PurePosixPath(name).suffix.lower()) not in endings
        and difflib.get_close_matches(ending, endings, n=1, cutoff=CLOSE)
    )


def drawn(wordings: Sequence[Wording], rules: CaptionRules, chance: random.Random) -> str:
    """One caption as the loss sees it, before it is cut to the text encoder's length."""
    if dropped(rules, chance):
        return ""
    sums = list(accumulate(each.weight for each in wordings))
    at = chance.random() * sums[-1]
    one = next(each for each, end in zip(wordings, sums, strict=True) if at < end)
    return tagged(one.text, rules, chance.shuffle, lambda: chance.random() >= rules.tag_dropout)


def dropped(rules: CaptionRules, chance: random.Random) -> bool:
    """Whether the picture is shown without words this time."""
    return chance.random() < rules.dropout


def tagged(
    text: str, rules: CaptionRules, shuffle: Callable[[list[str]], None], keeps: Callable[[], bool]
) -> str:
    """A caption with its tags in another order, some left out, the first `keep` of them as they are."""
    if rules.shuffle or rules.tag_dropout:
        tags = [each.strip() for each in text.split(rules.separator)]
        first, rest = tags[: rules.keep], [each for each in tags[rules.keep :] if keeps()]
        if rules.shuffle:
            shuffle(rest)
        text = f"{rules.separator} ".join([*first, *rest])
    return f"{rules.prefix}{text}{rules.suffix}" if text else text
