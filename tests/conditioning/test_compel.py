import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.conditioning.compel import parse, render
from gesso.conditioning.prompt import Break, Segment, Tree, timeline, walk


def said(text: str) -> list[tuple[str, float]]:
    return [
        (node.text, pytest.approx(node.weight)) for node in walk(parse(text)) if isinstance(node, Segment)
    ]


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a cat++ b", [("a ", 1), ("cat", 1.21), (" b", 1)]),
        ("cat--, b", [("cat", 0.81), (", b", 1)]),
        ("a (big cat)1.25 b", [("a ", 1), ("big cat", 1.25), (" b", 1)]),
        ("(big cat)- b", [("big cat", 0.9), (" b", 1)]),
        ("(a (b)2 c)1.5", [("a ", 1.5), ("b", 3), (" c", 1.5)]),
        ("(a cat) b", [("a cat b", 1)]),
        ("a well-known c - d", [("a well-known c - d", 1)]),
        (r"c\+\+ \(a\)", [("c++ (a)", 1)]),
        ("(a cat", [("(a cat", 1)]),
        ("a cat)", [("a cat)", 1)]),
    ],
)
def test_signs_and_numbers_weigh(text: str, segments: list[tuple[str, float]]):
    assert said(text) == segments


def test_and_gives_every_prompt_a_window():
    tree = parse('("a cat+", "b").and()')
    assert [type(node) for node in walk(tree)] == [Segment, Segment, Break, Segment]


def test_blend_mixes_prompts():
    (span,) = timeline(parse('("a", "b").blend(3, 1)'), 1)
    assert [weight for _, weight in span.told[0].shares] == [0.75, 0.25]
    (span,) = timeline(parse('("a", "b").blend(3, 1, no_normalize)'), 1)
    assert [weight for _, weight in span.told[0].shares] == [3, 1]


def test_blends_are_rendered_with_their_weights():
    text = '("a", "b").blend(3, 1, no_normalize)'
    assert parse(render(parse(text))) == parse(text)


PIECES = st.sampled_from(
    [*'()\\+-<>", a1.', "(a b)1.2", "cat++", "(p)--", '("a","b").and()', '("a+","b").blend(.5,1)', "<cat>"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.text(max_size=3), max_size=20).map("".join))
def test_any_text_parses_and_what_it_renders_to_parses_to_the_same(text: str):
    tree = parse(text, ("cat",))
    assert parse(render(tree), ("cat",)) == Tree(tree.parts)
