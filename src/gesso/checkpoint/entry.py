"""Where one tensor lies in a file: the common currency of every container."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Self, cast

from gesso.errors import BrokenFile

__all__ = ["ITEM_SIZES", "TORCH_NAMES", "Entry", "Header", "Source", "brief", "check_shape"]

ITEM_SIZES: Mapping[str, int] = {
    **dict.fromkeys(("BOOL", "U8", "I8"), 1),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 1),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    "C128": 16,
}
"""Bytes per number. Source: the safetensors format; C128 only occurs in pickles."""

TORCH_NAMES: Mapping[str, str] = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    "C128": "complex128",
}
"""What torch calls each dtype."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor's type, size and place.

    Args:
        path: the file that holds it.
        dtype: a key of ITEM_SIZES.
        shape: its size.
        start: its first byte, counted from the start of the file.
        strides: steps between neighbours in numbers; None for row-major without gaps.
    """

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    strides: tuple[int, ...] | None = None

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def span(self) -> int:
        """How many numbers lie between the first and the last, both included; 0 for an empty tensor."""
        if 0 in self.shape:
            return 0
        if self.strides is None:
            return self.count
        return 1 + sum((size - 1) * step for size, step in zip(self.shape, self.strides, strict=True))

    @property
    def end(self) -> int:
        """The byte after its last."""
        return self.start + self.span * ITEM_SIZES[self.dtype]

    def row_major(self) -> Self:
        """The same, with its strides forgotten where they say no more than its shape."""
        step, plain = 1, True
        for size, found in zip(reversed(self.shape), reversed(self.strides or ()), strict=False):
            plain = plain and (size == 1 or found == step)
            step *= size
        return replace(self, strides=None) if plain or 0 in self.shape else self

    def reshaped(self, shape: tuple[int, ...]) -> Self:
        """The same numbers with axes of size 1 added to or taken from the end."""
        kept = min(len(shape), len(self.shape))
        changed = shape[kept:] + self.shape[kept:]
        if shape[:kept] != self.shape[:kept] or any(size != 1 for size in changed):
            raise ValueError(f"only axes of size 1 may differ, however: {self.shape} became {shape}")
        strides = self.strides and (*self.strides, *(1 for _ in changed))[: len(shape)]
        return replace(self, shape=shape, strides=strides)


@dataclass(frozen=True)
class Header:
    """All that is known of a file before any tensor is read.

    Args:
        container: "safetensors", "zip pickle", "legacy pickle" or "folder".
        entries: the tensors by name.
        metadata: text beside the tensors.
        extras: numbers and text found beside the tensors of a training checkpoint (epoch, global_step).
        imports: names of the Python objects a pickle asked for; none of them was imported.
        unsafe: names under which there is not a tensor but a call, which was not made, and what it calls.
    """

    container: str
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    extras: Mapping[str, object] = field(default_factory=dict[str, object])
    imports: tuple[str, ...] = ()
    unsafe: Mapping[str, str] = field(default_factory=dict[str, str])


class Source:
    """The bytes of an open file, read only where asked.

    Args:
        path: what to call it.
        stream: the open file.
        size: its length in bytes.
    """

    def __init__(self, path: Path, stream: BinaryIO, size: int) -> None:
        self.path = path
        self.stream = stream
        self.size = size

    def read(self, start: int, count: int, what: str) -> bytes:
        """Exactly the bytes asked for.

        Raises:
            BrokenFile: the file ends before.
        """
        if start + count > self.size:
            raise BrokenFile(
                f"{what} must lie inside the file, however: it is truncated, "
                f"have {self.size} bytes, need {start + count}"
            )
        self.stream.seek(start)
        found = self.stream.read(count)
        if len(found) != count:
            raise BrokenFile(f"the file must not shrink while it is read, however: byte {start} is gone")
        return found


def check_shape(name: str, shape: object) -> tuple[int, ...]:
    """A size that tensors can have.

    Raises:
        BrokenFile: not a list of whole numbers, negative, or beyond any memory.
    """
    if not isinstance(shape, list | tuple):
        raise BrokenFile(f"the shape of {name!r} must be a list, however: {brief(shape)}")
    sizes = cast("Sequence[object]", shape)
    if len(sizes) > 64:
        raise BrokenFile(f"the shape of {name!r} must have at most 64 axes, however: {len(sizes)}")
    checked: list[int] = []
    for size in sizes:
        if type(size) is not int or size < 0:
            raise BrokenFile(f"the shape of {name!r} must be whole numbers from 0, however: {brief(size)}")
        checked.append(size)
    if math.prod(size for size in checked if size) >= 2**60:
        raise BrokenFile(f"the shape of {name!r} must fit into memory, however: {brief(checked)}")
    return tuple(checked)


def brief(value: object) -> str:
    """A value from a file in a few words; a hostile one may be endless or nested without end."""
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 64 else "a number over 64 bits"
    if isinstance(value, str):
        return repr(value[:40])
    if isinstance(value, float | None):
        return repr(value)
    if isinstance(value, list) and len(cast("list[object]", value)) <= 4:
        inner = (brief(x) if isinstance(x, int) else type(x).__name__ for x in cast("list[object]", value))
        return f"[{', '.join(inner)}]"
    return type(value).__name__
