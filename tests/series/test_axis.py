from pathlib import Path

import pytest

from gesso.errors import RequestError, UnknownName
from gesso.request import Request
from gesso.series.axis import Ask, axis, parts
from gesso.series.fields import validated


def ask(prompt: str = "a cat on a mat") -> Ask:
    return Ask(None, Request(prompt=prompt, negative="dog").model_dump())


def requests(text: str, start: Ask) -> list[Request]:
    return [validated(choice.of(start).data) for choice in axis(text, start).choices]


def test_a_field_takes_its_values() -> None:
    assert [each.steps for each in requests("steps=10-12", ask())] == [10, 11, 12]
    assert [each.sampler for each in requests("sampler=euler, heun", ask())] == ["euler", "heun"]
    assert [each.size for each in requests("size=64x128,96", ask())] == [(64, 128), (96, 96)]
    assert [each.clip_skip for each in requests("clip-skip=1,2", ask())] == [1, 2]
    assert [each.guidance.interval for each in requests('guidance.interval="[0.2, 0.8]"', ask())] == [
        (0.2, 0.8)
    ]


def test_ranges_are_no_ranges_where_text_is_wanted() -> None:
    assert [each.negative for each in requests("negative=1-5", ask())] == ["1-5"]
    assert [each.prompt for each in requests("prompt=[a,{b", ask())] == ["[a", "{b"]


def test_words_are_searched_for_and_replaced_everywhere() -> None:
    found = requests("prompt~cat=cat,dog", ask("cat and cat"))
    assert [each.prompt for each in found] == ["cat and cat", "dog and dog"]
    assert [each.negative for each in requests("negative~dog=cow", ask())] == ["cow"]


@pytest.mark.parametrize(
    "text", ["prompt~bird=cat", "prompt~=cat", "sampler~a=b", "steps", "matrix", "steps="]
)
def test_what_is_no_axis_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="however"):
        axis(text, ask())


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(UnknownName):
        axis("stepz=1,2", ask())


def test_models() -> None:
    found = axis("model=a/one.safetensors,two.ckpt", ask())
    assert [each.label for each in found.choices] == ["one", "two"]
    assert [each.of(ask()).model for each in found.choices] == [Path("a/one.safetensors"), Path("two.ckpt")]


def test_a_matrix_has_every_combination_once() -> None:
    found = requests("matrix", ask("a cat, | at night|in oil"))
    said = [each.prompt for each in found]
    assert said == ["a cat", "a cat, at night", "a cat, in oil", "a cat, at night, in oil"]


def test_a_matrix_and_a_search_go_together_in_any_order() -> None:
    start = ask("a cat | a cat's tail")
    matrix, words = axis("matrix", start), axis("prompt~cat=dog", start)
    for one in matrix.choices:
        assert words.choices[0].of(one.of(start)) == one.of(words.choices[0].of(start))


def test_bars_in_brackets_are_no_parts() -> None:
    assert parts("a [b|c] {d|e} | (f|g)") == ("a [b|c] {d|e}", "(f|g)")


def test_labels_name_the_field_where_the_value_alone_says_too_little() -> None:
    assert axis("steps=1,2", ask()).labels == ("steps 1", "steps 2")
    assert axis("prompt~cat=cat,dog", ask()).labels == ("cat", "dog")
    assert axis("matrix", ask("a|b|c")).labels == ("alone", "b", "c", "b + c")
