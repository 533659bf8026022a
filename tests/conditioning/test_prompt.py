from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.conditioning.prompt import Prompt, Segment, parse, render

UP, DOWN = 1.1, 1 / 1.1


def said(text: str) -> list[list[tuple[str, float]]]:
    return [[(each.text, pytest.approx(each.weight)) for each in block] for block in parse(text).blocks]


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", []),
        ("a cat", [("a cat", 1)]),
        ("a (cat)", [("a ", 1), ("cat", UP)]),
        ("a [cat] b", [("a ", 1), ("cat", DOWN), (" b", 1)]),
        ("(cat:1.5)", [("cat", 1.5)]),
        ("(cat: +1.5 )", [("cat", 1.5)]),
        ("(cat:.5)", [("cat", 0.5)]),
        ("(cat:-1)", [("cat", -1)]),
        ("((cat))", [("cat", UP * UP)]),
        ("(a (b:2) c:3)", [("a ", 3), ("b", 6), (" c", 3)]),
        ("[(a)]", [("a", 1)]),
        ("a (b [c", [("a ", 1), ("b ", UP), ("c", 1)]),
        ("(a [b) c]", [("a ", UP), ("b", 1), (" c", DOWN)]),
        (r"\(a\) \[b\] \\", [("(a) [b] \\", 1)]),
        (r"a\b", [("ab", 1)]),
        ("a) b] c:1.2) d", [("a) b] c:1.2) d", 1)]),
        ("(a:b)", [("a:b", UP)]),
        ("(a:1.2.3)", [("a:1.2.3", UP)]),
        ("(a:1.2:1.3)", [("a:1.2", 1.3)]),
        ("()a(:3)b[]", [("ab", 1)]),
        ("(a:1.1)(b)", [("ab", UP)]),
    ],
)
def test_weights_are_read_as_the_web_ui_reads_them(text: str, segments: list[tuple[str, float]]):
    assert said(text) == [[(words, pytest.approx(weight)) for words, weight in segments]]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("a BREAK b", [[("a", 1)], [("b", 1)]]),
        ("a\nBREAK\nb BREAK", [[("a", 1)], [("b", 1)], []]),
        ("BREAK BREAK a", [[], [], [("a", 1)]]),
        ("(a BREAK b:2) c", [[("a", 2)], [("b", 2), (" c", 1)]]),
        ("BREAKFAST break aBREAK", [[("BREAKFAST break aBREAK", 1)]]),
    ],
)
def test_break_starts_a_block_also_inside_of_brackets(text: str, blocks: list[list[tuple[str, float]]]):
    assert said(text) == blocks


PIECES = st.sampled_from([*"()[]\\:,.+-a1 \n", "1.2", ":1.3)", "BREAK", " BREAK "])


@given(st.lists(PIECES | st.text(max_size=3), max_size=30).map("".join))
def test_any_text_parses_and_what_it_renders_to_parses_to_the_same(text: str):
    prompt = parse(text)
    assert parse(render(prompt)) == prompt


@given(st.text(min_size=1), st.floats(-1e6, 1e6).filter(lambda weight: weight != 1))
def test_any_words_can_be_said_at_any_weight(text: str, weight: float):
    prompt = Prompt(((Segment("a"), Segment(text, weight)), (Segment(text),)))
    assert parse(render(prompt)) == prompt


@given(st.lists(PIECES, max_size=30).map("".join))
def test_neighbours_differ_and_none_is_empty(text: str):
    for block in parse(text).blocks:
        assert all(segment.text for segment in block)
        assert all(left.weight != right.weight for left, right in pairwise(block))
