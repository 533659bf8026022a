import pytest

from gesso.errors import RequestError
from gesso.sampling.step import intervals


def test_every_pair_of_neighbours_is_a_step() -> None:
    assert list(intervals((3.0, 2.0, 0.0))) == [(0, 3.0, 2.0), (1, 2.0, 0.0)]
    assert list(intervals((3.0,))) == []


@pytest.mark.parametrize("sigmas", [(1.0, 2.0), (1.0, 1.0, 0.0), (1.0, -0.1), (-1.0,)])
def test_levels_that_do_not_fall_are_refused(sigmas: tuple[float, ...]) -> None:
    with pytest.raises(RequestError, match="must fall"):
        list(intervals(sigmas))
