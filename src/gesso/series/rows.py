"""Rows: a file that asks for one picture a line."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from gesso.errors import RequestError
from gesso.request import Request
from gesso.series.axis import Ask
from gesso.series.fields import leaves, placed, validated

__all__ = ["rows"]


def rows(text: str, start: Ask) -> tuple[tuple[Path | None, Request], ...]:
    """The requests of a text's lines, each with its model's file.

    A line is a JSON table of a request's fields, by dotted names too, with `model` among them if it is to be
    another; any other line is a prompt. Empty lines and those that begin with # ask for nothing.

    Args:
        start: what lines say nothing of.

    Raises:
        RequestError: a line is no request, or asks for several pictures; says which.
    """
    return tuple(_row(number, line, start) for number, line in _lines(text))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def _row(number: int, line: str, start: Ask) -> tuple[Path | None, Request]:
    try:
        ask = _asked(_fields(line), start)
        request = validated(ask.data)
    except RequestError as error:
        raise RequestError(f"line {number}: {error}", hint=error.hint) from error
    if request.count != 1:
        raise RequestError(f"line {number}: a row must be one picture, however: count is {request.count}")
    return ask.model, request


def _fields(line: str) -> Mapping[str, Any]:
    if not line.startswith("{"):
        return {"prompt": line}
    try:
        return cast(dict[str, Any], json.loads(line))
    except ValueError as error:
        # a prompt may begin with a choice in braces
        if line.startswith('{"'):
            raise RequestError(f"a row must be whole JSON, however: {error}") from error
        return {"prompt": line}


def _asked(fields: Mapping[str, Any], start: Ask) -> Ask:
    ask = start
    for name, value in fields.items():
        if name == "model":
            ask = replace(ask, model=Path(str(value)))
            continue
        leaves(name)
        ask = replace(ask, data=placed(ask.data, name, value))
    return ask
