from dataclasses import replace

import pytest

from gesso.conditioning.dialects import parse, words
from gesso.conditioning.prompt import (
    Cycle,
    Part,
    Prompt,
    Segment,
    Share,
    Switch,
    Tree,
    blended,
    merged,
    scaled,
    timeline,
    walk,
)
from gesso.errors import RequestError


def at(text: str, steps: int = 10, earlier: int = 0) -> list[tuple[int, Prompt]]:
    return [(span.until, span.told[0].shares[0][0]) for span in timeline(parse(text), steps, earlier=earlier)]


@pytest.mark.parametrize(
    ("text", "earlier", "spans"),
    [
        ("test", 0, [(10, "test")]),
        ("a [b:3]", 0, [(3, "a "), (10, "a b")]),
        ("a [b: 3]", 0, [(3, "a "), (10, "a b")]),
        ("a [[[b]]:2]", 0, [(2, "a "), (10, "a [[b]]")]),
        ("[(a:2):3]", 0, [(3, ""), (10, "(a:2)")]),
        ("a [b : c : 1] d", 0, [(1, "a b  d"), (10, "a  c  d")]),
        ("a[b:[c:d:2]:1]e", 0, [(1, "abe"), (2, "ace"), (10, "ade")]),
        ("a [unbalanced", 0, [(10, "a [unbalanced")]),
        ("a [b:.5] c", 0, [(5, "a  c"), (10, "a b c")]),
        ("((a][:b:c [d:3]", 0, [(3, "((a][:b:c "), (10, "((a][:b:c d")]),
        ("a [b:.5] c", 10, [(10, "a b c")]),
        ("a [b:1.5] c", 10, [(5, "a  c"), (10, "a b c")]),
        ("a [b::15] c", 10, [(5, "a b c"), (10, "a  c")]),
        ("[fe|]male", 0, [(step, "female" if step % 2 else "male") for step in range(1, 11)]),
        ("[a:b:99]", 0, [(10, "a")]),
        ("[a:b:-1]", 0, [(10, "b")]),
        ("[a:b:1e999]", 0, [(10, "a")]),
    ],
)
def test_schedules_are_those_of_the_web_ui(text: str, earlier: int, spans: list[tuple[int, str]]):
    assert at(text, earlier=earlier) == [(until, words(said)) for until, said in spans]


def test_fractions_are_cut_off_not_rounded():
    assert [until for until, _ in at("[a:b:0.39]")] == [3, 10]
    assert [until for until, _ in at("[a:b:0.09]")] == [10]


def test_compositions_keep_their_weights():
    (span,) = timeline(parse("a AND b :0.5 AND c:-2"), 10)
    assert [told.weight for told in span.told] == [1, 0.5, -2]


def test_mixtures_sum_to_one_unless_told_otherwise():
    shares = (Share((Segment("a"),), 3.0), Share((Segment("b"),), 1.0))
    part = Part(shares)
    for normed, expected in ((True, [0.75, 0.25]), (False, [3, 1])):
        (span,) = timeline(Tree((replace(part, normed=normed),)), 1)
        assert [weight for _, weight in span.told[0].shares] == expected


def test_scaling_reaches_into_schedules():
    node = Switch((Segment("a", 2.0),), (Cycle(((Segment("b"),), ())),), "3")
    assert {
        each.weight
        for each in walk(Tree((Part((Share((scaled(node, 3.0),)),)),)))
        if isinstance(each, Segment)
    } == {6, 3}


def test_names_of_embeddings_are_not_merged_with_words():
    name = Segment("cat", embedding=True)
    assert merged([Segment("a"), Segment(""), Segment("b"), name, name]) == (Segment("ab"), name, name)


def test_words_on_the_way_to_others_are_mixed_and_the_ends_are_the_words_themselves() -> None:
    one, other = parse("a cat <lora:x:1>"), parse("a [dog:cow:5]")
    assert blended(one, other, 0.0).parts == one.parts
    assert blended(one, other, 1.0).parts == other.parts
    assert blended(one, other, 0.25).extras == one.extras
    first, last = timeline(blended(one, other, 0.25), 10)
    assert (first.until, last.until) == (5, 10)
    assert [share for _, share in first.told[0].shares] == [0.75, 0.25]
    (prompt, _), (late, _) = last.told[0].shares
    assert prompt == timeline(one, 10)[0].told[0].shares[0][0]
    assert late == timeline(parse("a cow"), 10)[0].told[0].shares[0][0]


def test_mixtures_keep_their_proportions_on_the_way() -> None:
    mixture = Tree((Part((Share((Segment("a"),), 3.0), Share((Segment("b"),), 1.0))),))
    (span,) = timeline(blended(mixture, parse("c"), 0.2), 4)
    assert [share for _, share in span.told[0].shares] == pytest.approx([0.6, 0.2, 0.2])


def test_a_composition_is_on_no_way() -> None:
    with pytest.raises(RequestError, match="AND joins several"):
        blended(parse("a cat"), parse("a dog AND a cow"), 0.5)
