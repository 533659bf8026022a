import io
from pathlib import Path

import pytest

from gesso.checkpoint.entry import Entry, Source
from gesso.checkpoint.safetensors_header import read_safetensors
from gesso.errors import BrokenFile
from tests.files import Counted, safetensors

BIG = 7_000_000_000


def one(**changes: object) -> dict[str, object]:
    described: dict[str, object] = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return {"a.weight": {key: value for key, value in (described | changes).items() if value is not None}}


def two(first: list[int], second: list[int]) -> dict[str, object]:
    return {
        "a": {"dtype": "U8", "shape": [first[1] - first[0]], "data_offsets": first},
        "b": {"dtype": "U8", "shape": [second[1] - second[0]], "data_offsets": second},
    }


BROKEN = {
    "length 2^63": (
        safetensors(b"", length=1 << 63),
        "at most 100000000 bytes long, however: bytes 0 to 7 say 9223",
    ),
    "length over 100 MB": (safetensors(b"{}", length=200_000_000), "bytes 0 to 7 say 200000000"),
    "length past the end": (safetensors(b'{"a":', length=5000), "truncated, have 13 bytes, need 5008"),
    "length too small": (
        safetensors(b"", length=1) + b"{",
        "at least 2 bytes long, however: bytes 0 to 7 say 1",
    ),
    "cut in the length": (b"\x10\x00\x00", "truncated, have 3 bytes, need 8"),
    "not an object": (safetensors(b"[1, 2]"), "start with '{' at byte 8"),
    "not UTF-8": (safetensors(b'{"\xff": 1}'), "UTF-8, however: byte 10"),
    "not JSON": (safetensors(b'{"a" 1}'), "JSON, however: Expecting ':' delimiter at byte 13"),
    "nested without end": (safetensors(b'{"a":' + b"[" * 100_000), "must be JSON, however: "),
    "a number without end": (safetensors(b'{"a":' + b"9" * 5000 + b"}"), "must be JSON, however: "),
    "duplicate key": (safetensors(b'{"a": 1, "a": 2}'), "'a' occurs twice"),
    "duplicate inner key": (safetensors(b'{"a": {"dtype": 1, "dtype": 2}}'), "'dtype' occurs twice"),
    "no tensors": (safetensors({"__metadata__": {"format": "pt"}}), "however: the header names none"),
    "metadata no object": (safetensors({"__metadata__": [1]}), "__metadata__ must be text by name"),
    "metadata not text": (
        safetensors({"__metadata__": {"step": 3}}),
        "__metadata__ must hold text, however: 'step'",
    ),
    "entry no object": (safetensors({"a": 3}), "'a' must be described by an object"),
    "no dtype": (safetensors(one(dtype=None)), "'a.weight' must have a dtype"),
    "no shape": (safetensors(one(shape=None)), "'a.weight' must have a shape"),
    "no offsets": (safetensors(one(data_offsets=None)), "'a.weight' must have a data_offsets"),
    "unknown dtype": (
        safetensors(one(dtype="Q4_K")),
        "dtype of 'a.weight' must be a known one, however: 'Q4_K'",
    ),
    "dtype no text": (safetensors(one(dtype=16)), "dtype of 'a.weight' must be a known one, however: 16"),
    "negative shape": (
        safetensors(one(shape=[-2])),
        "shape of 'a.weight' must be whole numbers from 0, however: -2",
    ),
    "fractional shape": (safetensors(one(shape=[2.5])), "whole numbers from 0, however: 2.5"),
    "shape no list": (safetensors(one(shape=2)), "shape of 'a.weight' must be a list"),
    "shape beyond memory": (safetensors(one(shape=[1 << 40, 1 << 40])), "must fit into memory"),
    "one offset": (safetensors(one(data_offsets=[0])), "must be two numbers"),
    "offsets no list": (safetensors(one(data_offsets="0:8")), "must be two numbers, however: '0:8'"),
    "falling offsets": (safetensors(one(data_offsets=[8, 0])), "two rising whole numbers, however: [8, 0]"),
    "fractional offsets": (safetensors(one(data_offsets=[0, 8.0])), "two rising whole numbers"),
    "wrong size": (
        safetensors(one(dtype="F16"), bytes(8)),
        "must take 4 bytes (F16 [2]), however: its offsets span 8",
    ),
    "overlap": (safetensors(two([0, 8], [4, 12]), bytes(12)), "must not overlap, however: 'b'"),
    "gap": (safetensors(two([0, 8], [12, 16]), bytes(16)), "a gap of 4 bytes before 'b'"),
    "gap at the start": (safetensors(two([4, 8], [8, 16]), bytes(16)), "a gap of 4 bytes before 'a'"),
    "truncated": (safetensors(two([0, 8], [8, 16]), bytes(10)), "truncated, have 139 bytes, need 145"),
    "trailing bytes": (safetensors(two([0, 8], [8, 16]), bytes(19)), "3 bytes follow byte 145"),
}


def read(content: bytes, size: int | None = None) -> object:
    stream = io.BytesIO(content)
    return read_safetensors(Source(Path("x"), stream, len(content) if size is None else size))


@pytest.mark.parametrize("kind", BROKEN)
def test_every_fault_is_named(kind: str) -> None:
    content, words = BROKEN[kind]
    with pytest.raises(BrokenFile) as found:
        read(content)
    assert words in str(found.value)


def test_every_fault_has_a_message_of_its_own() -> None:
    messages: set[str] = set()
    for content, _ in BROKEN.values():
        with pytest.raises(BrokenFile) as found:
            read(content)
        messages.add(str(found.value))
    assert len(messages) == len(BROKEN)


def test_only_the_header_is_read() -> None:
    content = safetensors({"a": {"dtype": "F16", "shape": [BIG // 2], "data_offsets": [0, BIG]}})
    stream = Counted(content)
    header = read_safetensors(Source(Path("x"), stream, len(content) + BIG))
    assert stream.taken == len(content)
    assert header.entries == {"a": Entry(Path("x"), "F16", (BIG // 2,), len(content))}


def test_a_truncated_body_is_found_without_reading_it() -> None:
    content = safetensors({"a": {"dtype": "F16", "shape": [BIG // 2], "data_offsets": [0, BIG]}})
    stream = Counted(content)
    with pytest.raises(BrokenFile, match=f"have {BIG // 2} bytes, need {BIG + len(content)}"):
        read_safetensors(Source(Path("x"), stream, BIG // 2))
    assert stream.taken == len(content)


def test_padding_metadata_and_empty_tensors_are_fine() -> None:
    header = b'{"__metadata__":{"format":"pt"},"e":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},'
    header += b'"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}    '
    found = read_safetensors(Source(Path("x"), io.BytesIO(data := safetensors(header, bytes(4))), len(data)))
    assert found.metadata == {"format": "pt"}
    assert {name: entry.shape for name, entry in found.entries.items()} == {"e": (0, 3), "s": ()}
