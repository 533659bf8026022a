from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.conditioning.a1111 import parse, render
from gesso.conditioning.dialects import words
from gesso.conditioning.prompt import Segment, timeline, walk

UP, DOWN = 1.1, 1 / 1.1


def said(text: str) -> list[list[tuple[str, float]]]:
    return [[(each.text, pytest.approx(each.weight)) for each in block] for block in words(text).blocks]


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
        ("a street, 16:9", [("a street, 16:9", 1)]),
        ("a|b [c:d:3]", [("a|b ", 1), ("c:d:3", DOWN)]),
    ],
)
def test_weights_are_read_as_the_web_ui_reads_them(text: str, segments: list[tuple[str, float]]):
    assert said(text) == [[(each, pytest.approx(weight)) for each, weight in segments]]


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


PIECES = st.sampled_from(
    [
        *"()[]\\:,.+-a1 \n|<>",
        "1.2",
        ":1.3)",
        "BREAK",
        " BREAK ",
        "AND",
        " AND ",
        "[a:b:0.5]",
        "[c|d]",
        ":3]",
        "[x:3]",
        "<lora:x:1>",
        "<lora:x:te=0.5:unet=1>",
        "cat",
        "Cat's",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=25).map("".join)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_parses_and_what_it_renders_to_parses_to_the_same(text: str):
    tree = parse(text, ("cat",))
    timeline(tree, 7)
    assert parse(render(tree), ("cat",)) == tree


@settings(deadline=None)
@given(TEXTS)
def test_neighbours_differ_none_is_empty_and_all_know_their_places(text: str):
    for span in timeline(parse(text), 5):
        for block in span.told[0].shares[0][0].blocks:
            assert all(left.weight != right.weight for left, right in pairwise(block))
    for node in walk(parse(text)):
        if isinstance(node, Segment):
            assert node.text
            assert "".join(text[place] for place in node.places) == node.text


DEEP = ["(" * 300, "[" * 300 + "a" + ":3]" * 300, "[a|" * 300, "\\" * 999, ")" * 300]


@pytest.mark.parametrize("text", DEEP)
def test_no_depth_of_brackets_is_too_much(text: str):
    tree = parse(text)
    timeline(tree, 3)
    assert parse(render(tree)) == tree


def test_embeddings_are_names_wherever_they_are_said():
    nodes = parse("a Cat, cats ([cat:dog:3])", ("cat",)).parts[0].shares[0].nodes
    assert [node.text for node in nodes[:3] if isinstance(node, Segment)] == ["a ", "Cat", ", cats "]
    assert [node.embedding for node in nodes[:3] if isinstance(node, Segment)] == [False, True, False]
