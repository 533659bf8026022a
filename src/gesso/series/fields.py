"""The fields of a request by their dotted names, such as `guidance.rescale` and `loras.0.weight`."""

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gesso.errors import RequestError, UnknownName
from gesso.request import Request

__all__ = ["leaves", "placed", "validated"]


def leaves(name: str) -> frozenset[type]:
    """The plain types that a field takes; none where it takes what its owner knows, such as an option.

    Args:
        name: dotted; a number counts the members of a list from 0.

    Raises:
        UnknownName: a request has no such field.
    """
    known = _known()
    wild = ".".join("0" if part.isdecimal() else part for part in name.split("."))
    if wild in known:
        return known[wild]
    owner = wild.rpartition(".")[0]
    if dict in known.get(owner, ()):
        return frozenset()
    raise UnknownName("a request's field", name, known)


def placed(data: Any, name: str, value: object) -> Any:
    """Plain data with one field set; the data given stays as it is.

    Raises:
        RequestError: a list has no such place.
    """
    head, _, rest = name.partition(".")
    if not head:
        return value
    if head.isdecimal():
        return _in_list(list(cast(Any, data or ())), int(head), rest, value)
    inside = cast(dict[str, Any], data or {})
    return {**inside, head: placed(inside.get(head), rest, value)}


def validated(data: dict[str, Any]) -> Request:
    """The request that plain data stand for.

    Raises:
        RequestError: a field is unknown or has a value that is not allowed.
    """
    try:
        return Request.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RequestError(f"{where} must be allowed, however: {first['input']!r}: {first['msg']}") from error


def _in_list(items: list[Any], index: int, rest: str, value: object) -> list[Any]:
    if index > len(items):
        raise RequestError(f"a list's places must be counted from 0, however: {index} of {len(items)}")
    before = items[index] if index < len(items) else None
    return [*items[:index], placed(before, rest, value), *items[index + 1 :]]


@cache
def _known() -> dict[str, frozenset[type]]:
    return {name: frozenset(types) for name, types in _walk(Request, "")}


def _walk(model: type[BaseModel], before: str) -> Iterator[tuple[str, set[type]]]:
    for name, info in model.model_fields.items():
        yield from _named(info.annotation, before + name)


def _named(annotation: object, name: str) -> Iterator[tuple[str, set[type]]]:
    """A field's name with its types, and those of the fields within it."""
    types: set[type] = set()
    for each in _alternatives(annotation):
        if get_origin(each) is tuple:
            yield from _named(get_args(each)[0], f"{name}.0")
        elif isinstance(each, type) and issubclass(each, BaseModel):
            yield from _walk(each, f"{name}.")
        types.add(cast(type, get_origin(each) or each))
    yield name, types


def _alternatives(annotation: object) -> Iterator[object]:
    """What a union joins, without the annotations around it."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin in {tuple, dict} or not get_args(annotation):
        yield annotation
    else:
        for each in get_args(annotation):
            yield from _alternatives(each)
