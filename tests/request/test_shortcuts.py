import pytest
from pydantic import ValidationError

from gesso.request.shortcuts import Caching, Shortcuts


def test_nothing_is_left_out_unless_asked_for() -> None:
    assert not any(value for _, value in Shortcuts())


@pytest.mark.parametrize("given", [{}, {"every": 2, "threshold": 0.1}])
def test_a_cache_has_one_rule(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="every or threshold"):
        Caching.model_validate(given)


def test_all_others_of_four_tokens_are_the_most_that_can_be_merged() -> None:
    with pytest.raises(ValidationError):
        Shortcuts(token_merging=0.8)
