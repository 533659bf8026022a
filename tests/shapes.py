"""Holds every tensor that a function takes or gives to the shape its annotation states."""

from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from beartype import beartype
from jaxtyping import AbstractArray


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its tensors checked by beartype; pyright has seen to all other types."""
    hints = function.__annotations__
    function.__annotations__ = {name: hint for name, hint in hints.items() if _of_tensors(hint)}
    try:
        return beartype(function)
    finally:
        function.__annotations__ = hints


def _of_tensors(hint: object) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    if get_origin(hint) not in {tuple, Union, UnionType}:
        return False
    return all(each in {NoneType, ...} or _of_tensors(each) for each in get_args(hint))
