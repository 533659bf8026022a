import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.conditioning.comfy import parse, render
from gesso.conditioning.prompt import Segment, Tree, walk


def said(text: str) -> list[tuple[str, float]]:
    return [
        (node.text, pytest.approx(node.weight)) for node in walk(parse(text)) if isinstance(node, Segment)
    ]


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a (cat) b", [("a ", 1), ("cat", 1.1), (" b", 1)]),
        ("((cat))", [("cat", 1.21)]),
        ("(a (b:2) c:3)", [("a ", 3), ("b", 2), (" c", 3)]),
        ("((a:0.5):1.5)", [("a", 0.5)]),
        ("[cat] AND BREAK [a:b:3]", [("[cat] AND BREAK [a:b:3]", 1)]),
        (r"\(cat\)", [("(cat)", 1)]),
        ("(cat", [("(cat", 1)]),
        ("cat)", [("cat)", 1)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:1e1)", [("a", 10)]),
        ("(a:-1)", [("a", -1)]),
    ],
)
def test_weights_are_absolute(text: str, segments: list[tuple[str, float]]):
    assert said(text) == segments


def test_embeddings_are_named_explicitly():
    nodes = [
        node for node in walk(parse("a embedding:cat, (embedding:dog:1.2)")) if isinstance(node, Segment)
    ]
    assert [(node.text, node.weight) for node in nodes if node.embedding] == [("cat", 1), ("dog", 1.2)]


PIECES = st.sampled_from([*"()\\: ,a", ":1.2)", "((", "embedding:cat ", "(a:1)", "cat", "\n"])


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.text(max_size=3), max_size=20).map("".join))
def test_any_text_parses_and_what_it_renders_to_parses_to_the_same(text: str):
    tree = parse(text)
    assert parse(render(tree)) == Tree(tree.parts)


def test_no_depth_of_brackets_is_too_much():
    assert parse("(" * 3000 + "a" + ")" * 3000).parts
