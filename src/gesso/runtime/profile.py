"""The profile: how fast this machine was seen to paint, for plans that must end in time."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from gesso.errors import BrokenFile
from gesso.folders import user_cache

__all__ = ["Point", "Setting", "keep", "nearest", "profile_file", "read"]


@dataclass(frozen=True)
class Setting:
    """Where and in what numbers something was measured.

    Args:
        machine: the processor or card.
        dtype: such as "bfloat16".
        kernels: what networks ran by.
    """

    machine: str
    dtype: str
    kernels: str


@dataclass(frozen=True)
class Point:
    """What one kind of picture took.

    Args:
        family: of the checkpoint.
        size: width and height in pixels.
        step_tflop: operations of a step, 10^12.
        step_s: seconds of a step.
        decode_tflop: operations of decoding, 10^12.
        decode_s: seconds of decoding.
        ceiling: 10^12 operations a second that a plain matrix product reached.
    """

    setting: Setting
    family: str
    size: tuple[int, int]
    step_tflop: float
    step_s: float
    decode_tflop: float
    decode_s: float
    ceiling: float


def profile_file() -> Path:
    """Where the profile of this machine is kept."""
    return user_cache() / "profile.json"


def read(path: Path) -> tuple[Point, ...]:
    """What was measured; nothing where there is no file.

    Raises:
        BrokenFile: the file is no profile.
    """
    if not path.is_file():
        return ()
    try:
        return TypeAdapter(tuple[Point, ...]).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise BrokenFile(f"{path} must be a profile by gesso bench, however: {first['msg']}") from error


def keep(points: Iterable[Point], path: Path) -> None:
    """Add to a profile; what was measured before of the same kind goes."""
    kept = {(each.setting, each.family, each.size): each for each in (*read(path), *points)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(each) for each in kept.values()], indent=1) + "\n", encoding="utf-8")


def nearest(points: Sequence[Point], setting: Setting, family: str, step_tflop: float) -> Point | None:
    """The point that says most of a picture: of its family if there is one, and of about as much work a step.

    Args:
        step_tflop: operations of one of its steps, 10^12.
    """
    here = [each for each in points if each.setting == setting]
    alike = [each for each in here if each.family == family] or here
    return min(alike, key=lambda each: abs(math.log(each.step_tflop / step_tflop)), default=None)
