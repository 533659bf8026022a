from dataclasses import replace
from math import inf

import pytest

from gesso.generation.passes import Pass
from gesso.request import Caching, GuidanceShape, Shortcuts
from gesso.sampling.levels import TrainedLevels
from gesso.sampling.schedules import schedule

SIGMAS = schedule("normal")(TrainedLevels.scaled_linear(), 10)
PASS = Pass("base", SIGMAS, "euler", {}, 5.0, GuidanceShape(), (0.0, inf), None, SIGMAS)


def cached(**fields: object) -> Pass:
    return replace(PASS, shortcuts=Shortcuts(caching=Caching.model_validate(fields)))


@pytest.mark.parametrize(("every", "rows"), [(1, 20), (2, 10), (3, 8), (99, 2)])
def test_inner_blocks_run_for_a_share_of_the_rows(every: int, rows: int) -> None:
    found = cached(every=every)
    assert (found.evaluations, found.inner_evaluations) == (20, rows)


def test_where_guidance_ends_they_run_again() -> None:
    # 5 steps of two rows, the sixth level included, then 4 of one
    found = replace(cached(every=99), guided=(SIGMAS[5], inf))
    assert (found.evaluations, found.inner_evaluations) == (16, 3)


def test_what_only_the_run_can_tell_counts_in_full() -> None:
    assert cached(threshold=0.1).inner_evaluations == PASS.inner_evaluations == PASS.evaluations == 20


def test_what_is_left_out_is_told() -> None:
    assert PASS.text() == "base: 10 steps of euler, sigma 14.615 to 0.000"
    assert "computed again when 3 steps old" in cached(every=3).text()
    assert "computed again when changed by 0.1" in cached(threshold=0.1).text()
    assert "50% of the largest" in replace(PASS, shortcuts=Shortcuts(token_merging=0.5)).text()
