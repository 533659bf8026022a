"""Every annotator by its name, and what can be chosen about it."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from gesso.annotators.edges import canny, lineart, scribble, softedge
from gesso.annotators.tones import blur, colours, invert, normal, shuffle, threshold, tile
from gesso.errors import RequestError, UnknownName

__all__ = ["ANNOTATORS", "annotated", "annotator"]

Value = bool | int | float | str

ANNOTATORS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "canny": canny,
        "lineart": lineart,
        "scribble": scribble,
        "softedge": softedge,
        "blur": blur,
        "tile": tile,
        "colours": colours,
        "normal": normal,
        "invert": invert,
        "threshold": threshold,
        "shuffle": shuffle,
    }
)
"""By the name a request uses. Their options are their parameters after the picture."""


def annotator(name: str, chosen: Mapping[str, Value]) -> Mapping[str, int | float]:
    """What is chosen about an annotator, checked.

    Raises:
        UnknownName: there is no such annotator or option.
        RequestError: a value is no number, or below 0.
    """
    if name not in ANNOTATORS:
        raise UnknownName("annotator", name, (*ANNOTATORS, "inpaint"))
    _, *known = inspect.signature(ANNOTATORS[name]).parameters.values()
    kinds = {each.name: type(each.default) for each in known}
    found: dict[str, int | float] = {}
    for key, value in chosen.items():
        if key not in kinds:
            raise UnknownName(f"option of {name}", key, kinds)
        if isinstance(value, bool | str) or value < 0 or kinds[key](value) != value:
            raise RequestError(
                f"{key} of {name} must be of type {kinds[key].__name__} and 0 or more, however: {value!r}"
            )
        found[key] = kinds[key](value)
    return found


def annotated(picture: Image.Image, name: str, chosen: Mapping[str, Value]) -> Image.Image:
    """What an annotator makes of a picture, RGB of the same size.

    Raises:
        UnknownName: there is no such annotator or option.
        RequestError: a value is no number, or below 0.
    """
    options = annotator(name, chosen)
    found = ANNOTATORS[name](np.asarray(picture.convert("RGB")), **options)
    return Image.fromarray(found).convert("RGB")
