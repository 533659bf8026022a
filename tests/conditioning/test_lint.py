import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gesso.conditioning.dialects import DIALECTS
from gesso.conditioning.lint import Circumstances, lint
from gesso.conditioning.tokenizer import Tokenizer
from gesso.conditioning.tokens import Windowing


@pytest.mark.parametrize(
    ("text", "dialect", "kind", "marked"),
    [
        ("a [b:c:0.01] d", "a1111", "never", "[b:c:0.01]"),
        ("a [b:c:20] d", "a1111", "never", "[b:c:20]"),
        (
            "[" + "|".join("abcdefghijklmnopqrstuvw") + "]",
            "a1111",
            "never",
            "[a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r|s|t|u|v|w]",
        ),
        ("a (b", "a1111", "bracket", "("),
        ("a b] c", "a1111", "bracket", "]"),
        ("a [b:c] d", "a1111", "schedule", "[b:c]"),
        ("a (b:c) d", "a1111", "weight", "(b:c)"),
        ("a street, 16:9", "a1111", "weight", ":9"),
        ("[a AND b:c:3]", "a1111", "and", "AND"),
        ("cat " * 75 + "dog", "a1111", "window", "dog"),
        ("a cat++ b", "a1111", "dialect", "t++"),
        ("a (b", "comfy", "bracket", "("),
        ("a [b:c:0.5]", "comfy", "dialect", "[b:c:0.5]"),
        ("a embedding:foo b", "comfy", "embedding", "embedding:foo"),
        ("a (b:1.2)", "compel", "dialect", "(b:1.2)"),
        ("a) b", "compel", "bracket", ")"),
        ("a (b:1.2)", "plain", "dialect", "(b:1.2)"),
    ],
)
def test_what_will_not_happen_is_said_where_it_stands(text: str, dialect: str, kind: str, marked: str):
    (found,) = [each for each in lint(text, dialect) if each.kind == kind]
    assert text[found.start : found.end] == marked


@pytest.mark.parametrize(
    "text", ["a (b:1.2) [c:d:0.5] BREAK", "[a|b] c AND d :0.5", "a [b] (c)", r"\(a\) \[b"]
)
def test_a_prompt_that_does_what_it_says_has_none(text: str):
    assert lint(text) == ()


def test_a_bar_outside_of_brackets_switches_schedules_off():
    found = [each for each in lint("a | [b:c:3]") if each.kind == "schedule"]
    assert [(each.start, each.end) for each in found] == [(2, 3), (4, 11)]


def test_a_negative_is_no_place_for_compositions_and_extras():
    kinds = [each.kind for each in lint("a AND b <lora:x:1>", where=Circumstances(negative=True))]
    assert kinds == ["and", "extra"]


def test_break_tells_what_it_leaves_empty():
    (found,) = lint("a cat BREAK b")
    assert found.message == "BREAK leaves 73 of 75 places empty"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([*"()[]|:\\ a", "[a:b:3]", " AND ", " BREAK ", "(x:1.2)"]), max_size=15).map(
        "".join
    )
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_any_text_can_be_looked_through(dialect: str, text: str):
    for each in lint(text, dialect):
        assert 0 <= each.start <= each.end <= len(text)


def test_a_new_word_without_room_is_said_too():
    windowing = Windowing(Tokenizer(words={"thing": tuple(range(50000, 50060))}))
    where = Circumstances(windowing=windowing, embeddings=("thing",))
    (found,) = [each for each in lint("a thing thing", where=where) if each.kind == "window"]
    assert "window 2" in found.message


def test_the_name_of_a_word_that_is_not_there_takes_no_place():
    where = Circumstances(embeddings=("a_long_name_of_something",))
    text = "embedding:a_long_name_of_something, " + "cat, " * 37 + "bird dog"
    found = [each for each in lint(text, "comfy", where) if each.kind == "window"]
    assert [text[each.start : each.end] for each in found] == ["bird"]


def test_words_that_two_windows_cannot_hold_are_said_for_each():
    kinds = [each.kind for each in lint("(dog:1.2) " + "cat " * 160)]
    assert kinds == ["window", "window"]


def test_files_that_are_not_there_are_said_where_it_is_known():
    where = Circumstances(extras={"lora": ("Ink",), "hypernet": ("other",)})
    found = lint("<lora:styles/ink:1> <lora:inc:1> <hypernet:ink:1>", where=where)
    assert [each.message.partition(":")[0] for each in found] == [
        "there is no lora 'inc'",
        "there is no hypernet 'ink'",
    ]
    assert lint("<lora:inc:1>") == ()
