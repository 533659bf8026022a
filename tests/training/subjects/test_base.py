"""A use without a file changes nothing of a request."""

from gesso.training.subjects.base import Saving, Use


def test_nothing_is_asked_for_unless_a_subject_says_so() -> None:
    assert Use().model is None
    assert not Use().fields(None)
    assert (Saving().dtype, Saving().markers) == (None, ())
