import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.conditioning.dialects import words as parse
from gesso.conditioning.prompt import Prompt, Segment
from gesso.conditioning.tokenizer import Tokenizer
from gesso.conditioning.tokens import Window, Windowing, windows

CLIP = Windowing(Tokenizer())
OPEN_CLIP = Windowing(Tokenizer(), pad=0)
BEGIN, END, COMMA = 49406, 49407, 267
CAT, DOG = 2368, 1929


def words(window: Window) -> tuple[int, ...]:
    return window.ids[1 : window.ids.index(END)]


def of(text: str, windowing: Windowing = CLIP) -> list[tuple[int, ...]]:
    return [words(window) for window in windows(parse(text), windowing)]


@pytest.mark.parametrize(("windowing", "pad"), [(CLIP, END), (OPEN_CLIP, 0)])
def test_an_empty_prompt_is_one_window_of_marks_and_padding(windowing: Windowing, pad: int):
    (window,) = windows(parse(""), windowing)
    assert window == Window((BEGIN, END, *[pad] * 75), (1.0,) * 77)
    assert window == windowing.window()


def test_words_stand_between_the_marks_with_their_weights():
    (window,) = windows(parse("cat (dog:1.5)"), OPEN_CLIP)
    assert window.ids[:5] == (BEGIN, CAT, DOG, END, 0)
    assert window.weights[:5] == (1, 1, 1.5, 1, 1)


@pytest.mark.parametrize(("count", "sizes"), [(75, [75]), (76, [75, 1]), (150, [75, 75]), (151, [75, 75, 1])])
def test_a_window_holds_75_words(count: int, sizes: list[int]):
    assert [len(each) for each in of("cat " * count)] == sizes


@pytest.mark.parametrize(
    ("before", "first"),
    [
        (74, 75),  # the comma fills the window: nothing moves
        (73, 74),
        (55, 56),  # 20 places back is near
        (54, 75),  # 21 is not: cut where the window is full
    ],
)
def test_words_after_a_near_comma_move_together_into_the_next_window(before: int, first: int):
    assert [len(each) for each in of("cat " * before + "," + " dog" * 30)] == [first, before + 31 - first]


def test_a_comma_without_room_opens_the_next_window():
    assert of("cat, " * 2 + "cat " * 71 + ", dog")[1] == (COMMA, DOG)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat BREAK dog", [(CAT,), (DOG,)]),
        ("BREAK dog", [(), (DOG,)]),
        ("cat BREAK BREAK dog", [(CAT,), (), (DOG,)]),
        ("cat BREAK", [(CAT,)]),
        ("cat BREAK \\ ", [(CAT,)]),
        ("BREAK", [()]),
    ],
)
def test_break_fills_the_window_up(text: str, expected: list[tuple[int, ...]]):
    assert of(text) == expected


def test_a_break_in_a_full_window_adds_none():
    assert [len(each) for each in of("cat " * 75 + "BREAK dog")] == [75, 1]


@given(
    st.lists(st.sampled_from(["cat", ",", "(dog:1.3)", "[a", "BREAK", "x" * 9]), max_size=200).map(" ".join)
)
def test_no_word_is_lost_and_every_window_is_full_size(text: str):
    prompt = parse(text)
    split = windows(prompt, OPEN_CLIP)
    assert all(len(each.ids) == len(each.weights) == 77 for each in split)
    spoken = [id_ for block in prompt.blocks for segment in block for id_ in CLIP.tokenizer(segment.text)]
    assert [id_ for each in split for id_ in words(each)] == spoken


@pytest.mark.parametrize(("weighed", "sizes"), [(7, [70, 7]), (8, [75, 3])])
def test_the_comfy_dialect_moves_a_short_group_whole(weighed: int, sizes: list[int]):
    windowing = Windowing(Tokenizer(), cut="group")
    assert [len(each) for each in of("cat " * 70 + f"({'dog ' * weighed}:1.2)", windowing)] == sizes


def test_a_new_word_is_not_cut_in_two():
    windowing = Windowing(Tokenizer(words={"thing": (50000, 50001, 50002)}))
    assert [len(each) for each in of("cat " * 73 + "thing", windowing)] == [73, 3]
    named = Prompt(((Segment("Thing", embedding=True), Segment("nothing", embedding=True)),))
    assert words(windows(named, windowing)[0]) == (50000, 50001, 50002)
