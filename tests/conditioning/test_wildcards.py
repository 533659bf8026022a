from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.conditioning.wildcards import combinatorial, expand
from gesso.errors import RequestError


@pytest.mark.parametrize("text", ["a cat", "{a}", r"\{a|b}", "{a|b", "a|b}", "__animal__", "", "{}"])
def test_what_offers_no_choice_stays_to_the_letter(text: str):
    assert expand(text, 1) == text


def test_a_seed_decides_and_every_choice_is_made_by_some_seed():
    made = [expand("a {red|green|{light|dark} blue} cat", seed) for seed in range(100)]
    assert made == [expand("a {red|green|{light|dark} blue} cat", seed) for seed in range(100)]
    assert set(made) == {f"a {each} cat" for each in ("red", "green", "light blue", "dark blue")}


def test_several_are_chosen_without_repeats():
    for seed in range(30):
        chosen = expand("{2$$a|b|c}", seed).split(", ")
        assert len(set(chosen)) == 2
        assert len(expand("{1-3$$ and $$a|b|c}", seed).split(" and ")) in {1, 2, 3}


def test_shares_are_kept():
    counts = Counter(expand("{9::a|b}", seed) for seed in range(1000))
    assert 860 < counts["a"] < 940


def test_a_line_of_a_file_may_choose_in_turn(tmp_path: Path):
    (tmp_path / "animal.txt").write_text("# animals\n__pet__\n\n{big|small} lion\n")
    (tmp_path / "pet.txt").write_text("cat\n")
    assert {expand("a __animal__", seed, tmp_path) for seed in range(40)} == {
        "a cat",
        "a big lion",
        "a small lion",
    }
    assert combinatorial("__animal__", tmp_path) == ("cat", "big lion", "small lion")


def test_a_wildcard_without_lines_outside_or_without_end_is_refused(tmp_path: Path):
    folder = tmp_path / "wildcards"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("x")
    (folder / "loop.txt").write_text("a __loop__")
    for text, match in (("__none__", "lines"), ("__../secret__", "lines"), ("__loop__", "come to an end")):
        with pytest.raises(RequestError, match=match):
            expand(text, 1, folder)


def test_combinations_are_all_there_are_up_to_a_limit():
    assert combinatorial("{a|b} {c|d}") == ("a c", "a d", "b c", "b d")
    assert combinatorial("{2$$a|b|c}") == ("a, b", "a, c", "b, c")
    assert len(combinatorial("{a|b}" * 20, limit=50)) == 50


@given(
    st.lists(st.sampled_from([*"{}|$:\\_ a1", "2$$", "__", "3::"]), max_size=25).map("".join),
    st.integers(0, 99),
)
def test_any_text_can_be_expanded(text: str, seed: int):
    assert expand(text, seed) == expand(text, seed)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path):
    (tmp_path / "animal.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(RequestError, match=r"animal\.txt must be readable text, however"):
        expand("__animal__", 1, tmp_path)
