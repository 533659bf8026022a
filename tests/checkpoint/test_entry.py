import io
from pathlib import Path

import pytest

from gesso.checkpoint.entry import ITEM_SIZES, TORCH_NAMES, Entry, Source, brief, check_shape
from gesso.errors import BrokenFile

HERE = Path("file")


def test_every_dtype_has_a_size_and_a_name_in_torch() -> None:
    import torch

    assert ITEM_SIZES.keys() == TORCH_NAMES.keys()
    for dtype, name in TORCH_NAMES.items():
        assert getattr(torch, name).itemsize == ITEM_SIZES[dtype]


@pytest.mark.parametrize(
    ("shape", "strides", "span"),
    [
        ((2, 3), None, 6),
        ((), None, 1),
        ((0, 7), None, 0),
        ((2, 3), (1, 2), 6),
        ((2, 3), (10, 2), 15),
        ((5,), (0,), 1),
    ],
)
def test_span_reaches_from_the_first_number_to_the_last(
    shape: tuple[int, ...], strides: tuple[int, ...] | None, span: int
) -> None:
    entry = Entry(HERE, "F16", shape, 100, strides)
    assert entry.span == span
    assert entry.end == 100 + 2 * span


@pytest.mark.parametrize(
    ("shape", "strides", "plain"),
    [
        ((2, 3), (3, 1), True),
        ((2, 3), (1, 2), False),
        ((1, 3), (99, 1), True),
        ((0, 3), (5, 5), True),
        ((), (), True),
    ],
)
def test_row_major_forgets_strides_that_say_nothing(
    shape: tuple[int, ...], strides: tuple[int, ...], plain: bool
) -> None:
    assert (Entry(HERE, "F16", shape, 0, strides).row_major().strides is None) == plain


def test_reshaped_adds_and_takes_axes_of_one() -> None:
    flat, strided = Entry(HERE, "F16", (4, 5), 0), Entry(HERE, "F16", (4, 5), 0, (1, 4))
    assert flat.reshaped((4, 5, 1, 1)).shape == (4, 5, 1, 1)
    assert strided.reshaped((4, 5, 1, 1)).strides == (1, 4, 1, 1)
    assert strided.reshaped((4, 5, 1, 1)).reshaped((4, 5)) == strided
    with pytest.raises(ValueError, match="only axes of size 1"):
        flat.reshaped((5, 4))
    with pytest.raises(ValueError, match="only axes of size 1"):
        flat.reshaped((4, 5, 2))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("4", "must be a list"),
        ([1.5], "whole numbers"),
        ([True], "whole numbers"),
        ([-1], "whole numbers"),
        ([1] * 65, "64 axes"),
        ([2**40, 2**40], "fit into memory"),
        ([2**40, 0, 2**40], "fit into memory"),
    ],
)
def test_shapes_no_tensor_has(shape: object, words: str) -> None:
    with pytest.raises(BrokenFile, match=words):
        check_shape("x", shape)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (7, "7"),
        ([10**20], "[a number over 64 bits]"),
        ("x" * 99, repr("x" * 40)),
        (None, "None"),
        (1.5, "1.5"),
        ([1, "a"], "[1, str]"),
        ([1] * 9, "list"),
        ({}, "dict"),
    ],
)
def test_brief_is_brief(value: object, words: str) -> None:
    assert brief(value) == words


def test_reading_past_the_end_says_what_is_missing() -> None:
    source = Source(HERE, io.BytesIO(b"12345"), 5)
    assert source.read(1, 3, "it") == b"234"
    with pytest.raises(BrokenFile, match="have 5 bytes, need 9"):
        source.read(1, 8, "it")


def test_a_file_that_shrinks_meanwhile() -> None:
    with pytest.raises(BrokenFile, match="shrink"):
        Source(HERE, io.BytesIO(b"123"), 5).read(1, 4, "it")
