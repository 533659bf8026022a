"""The header of a .safetensors file, read alone and checked completely.

Source: the safetensors format, https://github.com/huggingface/safetensors#format.
"""

import json
import math
from collections.abc import Mapping
from typing import cast

from gesso.checkpoint.entry import ITEM_SIZES, Entry, Header, Source, brief, check_shape
from gesso.errors import BrokenFile

__all__ = ["read_safetensors"]

LONGEST_HEADER = 100_000_000


def read_safetensors(source: Source) -> Header:
    """Where every tensor lies.

    Raises:
        BrokenFile: the header contradicts itself or the file's length.
    """
    length = _header_length(source)
    fields = _parse(source.read(8, length, "the header"))
    metadata = _metadata(fields.pop("__metadata__", {}))
    body = 8 + length
    entries = {name: _entry(source, name, described, body) for name, described in fields.items()}
    if not entries:
        raise BrokenFile("a checkpoint must hold tensors, however: the header names none")
    _check_layout(entries, body, source.size)
    return Header("safetensors", entries, metadata)


def _header_length(source: Source) -> int:
    length = int.from_bytes(source.read(0, 8, "the header's length"), "little")
    if length > LONGEST_HEADER:
        raise BrokenFile(
            f"the header must be at most {LONGEST_HEADER} bytes long, however: bytes 0 to 7 say {length}",
            hint="this is not a .safetensors file, or its start is damaged",
        )
    if length < 2:
        raise BrokenFile(f"the header must be at least 2 bytes long, however: bytes 0 to 7 say {length}")
    return length


def _parse(header: bytes) -> dict[str, object]:
    if header[:1] != b"{":
        raise BrokenFile(f"the header must start with '{{' at byte 8, however: {header[:1]!r}")
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenFile(f"the header must be UTF-8, however: byte {8 + error.start} is not") from None
    try:
        return cast("dict[str, object]", json.loads(text, object_pairs_hook=_unique))
    except json.JSONDecodeError as error:
        where = 8 + len(text[: error.pos].encode())
        raise BrokenFile(f"the header must be JSON, however: {error.msg} at byte {where}") from None
    except (ValueError, RecursionError) as error:
        raise BrokenFile(f"the header must be JSON, however: {str(error)[:80]}") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise BrokenFile(f"every key must occur once, however: {key!r} occurs twice (duplicate)")
        found[key] = value
    return found


def _metadata(found: object) -> Mapping[str, str]:
    if not isinstance(found, dict):
        raise BrokenFile(f"__metadata__ must be text by name, however: {type(found).__name__}")
    for key, value in cast("dict[str, object]", found).items():
        if not isinstance(value, str):
            raise BrokenFile(f"__metadata__ must hold text, however: {key!r} is {type(value).__name__}")
    return cast("dict[str, str]", found)


def _entry(source: Source, name: str, described: object, body: int) -> Entry:
    if not isinstance(described, dict):
        raise BrokenFile(f"{name!r} must be described by an object, however: {type(described).__name__}")
    fields = cast("dict[str, object]", described)
    for key in ("dtype", "shape", "data_offsets"):
        if key not in fields:
            raise BrokenFile(f"{name!r} must have a {key}, however: it is missing")
    dtype = fields["dtype"]
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise BrokenFile(f"the dtype of {name!r} must be a known one, however: {brief(dtype)}")
    shape = check_shape(name, fields["shape"])
    start, end = _offsets(name, fields["data_offsets"])
    need = math.prod(shape) * ITEM_SIZES[dtype]
    if end - start != need:
        raise BrokenFile(
            f"{name!r} must take {need} bytes ({dtype} {list(shape)}), "
            f"however: its offsets span {end - start}"
        )
    return Entry(source.path, dtype, shape, body + start)


def _offsets(name: str, found: object) -> tuple[int, int]:
    numbers = cast("list[object]", found) if isinstance(found, list) else []
    if len(numbers) != 2:
        raise BrokenFile(f"the data_offsets of {name!r} must be two numbers, however: {brief(found)}")
    start, end = numbers
    if type(start) is not int or type(end) is not int or not 0 <= start <= end:
        raise BrokenFile(
            f"the data_offsets of {name!r} must be two rising whole numbers, however: {brief(found)}"
        )
    return start, end


def _check_layout(entries: Mapping[str, Entry], body: int, size: int) -> None:
    reached = body
    before = "the header"
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start < reached:
            raise BrokenFile(
                f"tensors must not overlap, however: {name!r} starts at byte {entry.start} inside {before!r}"
            )
        if entry.start > reached:
            raise BrokenFile(
                f"tensors must follow one another, however: a gap of {entry.start - reached} bytes "
                f"before {name!r} at byte {reached}"
            )
        reached, before = entry.end, name
    if reached > size:
        raise BrokenFile(
            f"the file must hold every tensor, however: it is truncated, have {size} bytes, need {reached}",
            hint="download or copy it again",
        )
    if reached < size:
        raise BrokenFile(
            f"the file must end with its last tensor, however: {size - reached} bytes follow byte {reached}"
        )
