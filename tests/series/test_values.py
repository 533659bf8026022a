from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.errors import RequestError
from gesso.series.values import counted, listed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1-5", "1 2 3 4 5"),
        ("1-5 (+2)", "1 3 5"),
        ("10-5(-3)", "10 7"),
        ("5-3", "5 4 3"),
        ("1:9:2", "1 3 5 7 9"),
        ("0:1:0.1", "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1"),
        ("-3--1", "-3 -2 -1"),
        ("1-10[5]", "1 3.25 5.5 7.75 10"),
        ("0-1[1]", "0"),
        ("10, 20 ,30", "10 20 30"),
        ("3,7-9", "3 7 8 9"),
        ("512x768", "512x768"),
    ],
)
def test_notations(text: str, found: str) -> None:
    assert " ".join(counted(text, whole=False)) == found


def test_evenly_spread_whole_numbers_are_cut_as_the_web_ui_cuts_them() -> None:
    assert counted("1-10[5]", whole=True) == ("1", "3", "5", "7", "10")


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 9))
def test_a_range_keeps_its_step_and_stays_within_its_ends(first: int, last: int, step: int) -> None:
    signed = step if last >= first else -step
    found = [Decimal(each) for each in counted(f"{first}:{last}:{signed}", whole=False)]
    assert found[0] == first
    assert all(after - before == signed for before, after in pairwise(found))
    assert 0 <= (last - found[-1]) * (1 if signed > 0 else -1) < step


def test_values_in_quotes_may_have_commas() -> None:
    assert listed('"a cat, grey",dog') == ("a cat, grey", "dog")


@pytest.mark.parametrize("text", ["", "1-5(0)", "1-5(-1)", "0-2000", "0-1[0]", "0-1[5000]", "1-600,1-600"])
def test_what_has_no_values_or_no_end_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="however"):
        counted(text, whole=False)
