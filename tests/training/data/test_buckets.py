"""Buckets keep pictures as they are as far as can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.errors import RequestError
from gesso.training.data.buckets import buckets, fit
from gesso.training.recipe import BucketRules

RULES, SIZE = BucketRules(), (512, 512)
SIDES = st.integers(64, 4000)


def test_buckets_have_no_more_pixels_than_the_size() -> None:
    found = buckets(RULES, SIZE)
    assert SIZE in found
    assert (256, 1024) in found
    assert all(w * h <= 512 * 512 and w % 64 == h % 64 == 0 for w, h in found)
    assert {(h, w) for w, h in found} == set(found)


@given(SIDES, SIDES)
def test_a_picture_is_cut_to_its_bucket_and_never_enlarged(width: int, height: int) -> None:
    found = fit((width, height), RULES, SIZE)
    assert not found.enlarged
    assert found.bucket[0] <= found.scaled[0] <= width
    assert found.bucket[1] <= found.scaled[1] <= height
    assert 0 <= found.cropped < 1
    assert all(side % 64 == 0 for side in found.bucket)
    assert min(found.room) >= 0


@given(st.sampled_from(buckets(RULES, SIZE)))
def test_a_picture_of_a_bucket_s_size_stays_as_it_is(size: tuple[int, int]) -> None:
    """C8.6: neither scaled nor cut."""
    found = fit(size, RULES, SIZE)
    assert found.scaled == found.bucket == size
    assert found.cropped == 0


@given(SIDES, SIDES)
def test_small_pictures_are_enlarged_only_where_that_is_allowed(width: int, height: int) -> None:
    """C8.6: never unless allowed."""
    found = fit((width, height), BucketRules(enlarge=True), SIZE)
    assert found.bucket in buckets(RULES, SIZE)
    assert found.enlarged == (found.scaled[0] > width)


def test_one_size_for_all() -> None:
    assert buckets(BucketRules(enabled=False), SIZE) == (SIZE,)
    assert fit((1000, 2000), BucketRules(enabled=False), SIZE).bucket == SIZE


def test_what_is_smaller_than_a_step_is_refused() -> None:
    with pytest.raises(RequestError, match="63x400"):
        fit((63, 400), RULES, SIZE)
