"""An Axis: one thing about an ask that takes several values."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from gesso.errors import RequestError
from gesso.series.fields import leaves, placed
from gesso.series.values import counted, listed

__all__ = ["Ask", "Axis", "Choice", "axis", "parts"]

WORDS = ("prompt", "negative")


@dataclass(frozen=True)
class Ask:
    """A request as plain data, and the model it goes to.

    Args:
        model: its file; None for the built-in checkpoint.
        data: the request's fields, as `Request.model_dump` gives them.
    """

    model: Path | None
    data: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Choice:
    """One value of an axis: what it is called, and what it makes of an ask."""

    label: str
    of: Callable[[Ask], Ask]


@dataclass(frozen=True)
class Axis:
    """One thing that takes several values, in order."""

    name: str
    choices: tuple[Choice, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """What each value is called where its axis has to be said too; words speak for themselves."""
        lead = "" if self.name == "matrix" or "~" in self.name else self.name
        return tuple(f"{lead} {choice.label}".strip() for choice in self.choices)


def axis(text: str, start: Ask) -> Axis:
    """The axis that a line describes.

    Args:
        text: `FIELD=VALUES`, `model=FILES`, `prompt~WORD=WORDS` (search and replace, also `negative~`), or
            `matrix`: every combination of the parts of the prompt that stand between `|`.
        start: what its values will be applied to.

    Raises:
        UnknownName: a request has no such field.
        RequestError: it is none of these, or a word to search for is not there.
    """
    name, equals, rest = text.partition("=")
    name = name.strip()
    if name == "matrix" and not equals:
        return Axis(name, _matrix(start.data["prompt"]))
    if not equals:
        raise RequestError(
            f"an axis must read FIELD=VALUES, however: {text!r}", hint="such as steps=10,20,30"
        )
    if "~" in name:
        return Axis(name, _replacing(name, listed(rest), start))
    if name == "model":
        return Axis(
            name, tuple(Choice(Path(each).stem, partial(_to_model, Path(each))) for each in listed(rest))
        )
    name = name.replace("-", "_")
    return Axis(name, tuple(Choice(each, partial(_set, name, _read(each))) for each in _values(name, rest)))


def parts(prompt: str) -> tuple[str, ...]:
    """What stands between the `|` of a prompt, apart from `|` within brackets."""
    found, depth = [""], 0
    for letter in prompt:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "|" and depth <= 0:
            found.append("")
        else:
            found[-1] += letter
    return tuple(each.strip().strip(",").strip() for each in found)


def _values(name: str, text: str) -> tuple[str, ...]:
    types = leaves(name)
    if types and not types & {int, float}:
        return listed(text)
    return counted(text, whole=int in types and float not in types)


def _read(value: str) -> object:
    """Lists and tables are written as JSON; everything else the field itself reads from text."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return cast(object, json.loads(value))
    except ValueError:
        return value


def _set(name: str, value: object, ask: Ask) -> Ask:
    return replace(ask, data=placed(ask.data, name, value))


def _to_model(path: Path, ask: Ask) -> Ask:
    return replace(ask, model=path)


def _replacing(name: str, words: tuple[str, ...], start: Ask) -> tuple[Choice, ...]:
    where, _, word = name.partition("~")
    if where not in WORDS:
        raise RequestError(f"words must be searched for in {' or '.join(WORDS)}, however: in {where!r}")
    if not word or word not in start.data[where]:
        raise RequestError(f"{name} must name a word that is there, however: {start.data[where]!r}")
    return tuple(Choice(each, partial(_replaced, where, word, each)) for each in words)


def _replaced(where: str, word: str, by: str, ask: Ask) -> Ask:
    return _set(where, ask.data[where].replace(word, by), ask)


def _matrix(prompt: str) -> tuple[Choice, ...]:
    found = parts(prompt)
    if not 2 <= len(found) <= 9:
        raise RequestError(
            f"a matrix must have a prompt of 2 to 9 parts between |, however: {len(found)}",
            hint='such as "a cat | at night | in oil"',
        )
    return tuple(_combination(found, number) for number in range(2 ** (len(found) - 1)))


def _combination(found: tuple[str, ...], number: int) -> Choice:
    """The first part with those others whose digits of a binary number are 1."""
    others = [part for index, part in enumerate(found[1:]) if number >> index & 1]
    return Choice(" + ".join(others) or "alone", partial(_combined, number))


def _combined(number: int, ask: Ask) -> Ask:
    found = parts(ask.data["prompt"])
    chosen = [found[0], *(part for index, part in enumerate(found[1:]) if number >> index & 1)]
    return _set("prompt", ", ".join(chosen), ask)
