"""What the parts of a request have in common: plain data, sizes, paths and options."""

import json
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

__all__ = ["Interval", "OptionValue", "Part", "PortablePath", "Seconds", "Share", "Shown", "Size"]


def _read_size(value: object) -> object:
    """Accept "1024x768" and "1024" beside a pair of integers."""
    if isinstance(value, list) and len(cast(list[object], value)) == 1:
        value = cast(list[object], value)[0]
    if isinstance(value, int):
        return (value, value)
    if isinstance(value, str):
        width, _, height = value.lower().replace("×", "x").partition("x")
        return (width.strip(), (height or width).strip())
    return value


Side = Annotated[int, Field(ge=8, le=16384)]
Size = Annotated[tuple[Side, Side], BeforeValidator(_read_size)]
"""Width and height in pixels, also written "1024x768"."""


def _read_option(value: object) -> object:
    """Numbers and truth values written as text, as a command line gives them."""
    if isinstance(value, str):
        try:
            return cast(object, json.loads(value.lower()))
        except ValueError:
            return value
    return value


OptionValue = Annotated[bool | int | float | str, BeforeValidator(_read_option)]
"""A setting of something that is chosen by its name."""


def _read_seconds(value: object) -> object:
    """Accept "20s" and "2min" beside a number."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower()
    number, unit = (text.removesuffix("min"), 60) if text.endswith("min") else (text.removesuffix("s"), 1)
    try:
        return float(number) * unit
    except ValueError:
        return value


Seconds = Annotated[float, Field(gt=0.0, allow_inf_nan=False), BeforeValidator(_read_seconds)]
"""A time, also written "20s" or "2min"."""

PortablePath = Annotated[Path, PlainSerializer(lambda path: path.as_posix(), return_type=str)]


class Part(BaseModel):
    """Plain data: frozen, and a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Shown(Part):
    """A picture that a model is shown beside words; also written as its path."""

    image: PortablePath
    """The picture file."""
    sha256: str | None = None
    """The file's hash; a file that differs is refused."""
    resize: Literal["crop", "fill", "stretch"] = "crop"
    """How a picture of another size is fitted: cut to the aspect, whole with a border, or stretched."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        return {"image": value} if isinstance(value, str | Path) else value


Share = Annotated[float, Field(ge=0.0, le=1.0)]
Interval = tuple[Share, Share]
"""From and to, as shares of the run."""
