from hypothesis import given
from hypothesis import strategies as st

from gesso.workers.order import STREAK, Waiting, choose

JOBS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=20).map(
    lambda pairs: [Waiting(str(i), owner, model, float(i)) for i, (owner, model) in enumerate(pairs)]
)


def drained(jobs: list[Waiting]) -> list[Waiting]:
    """The order in which one worker with room for one model takes them."""
    served: dict[str, float] = {}
    loaded: list[str] = []
    order: list[Waiting] = []
    streak = 0
    while jobs:
        head = choose(jobs, served, (), 0)
        best = choose(jobs, served, loaded, streak)
        assert best is not None
        streak = 0 if best == head else streak + 1
        order.append(best)
        served[best.owner] = float(len(order))
        loaded = [best.model]
        jobs = [each for each in jobs if each != best]
    return order


@given(JOBS)
def test_everybody_gets_a_turn(jobs: list[Waiting]) -> None:
    assert sorted(drained(jobs), key=lambda each: each.position) == jobs


@given(JOBS, st.sets(st.sampled_from("xyz")))
def test_the_one_whose_turn_it_is_waits_for_a_streak_at_most(jobs: list[Waiting], loaded: set[str]) -> None:
    head = choose(jobs, {}, (), 0)
    assert choose(jobs, {}, loaded, STREAK) == head
    best = choose(jobs, {}, loaded, 0)
    assert best is not None
    assert best == head or best.model in loaded


@given(st.integers(2, 4))
def test_owners_take_turns(owners: int) -> None:
    jobs = [
        Waiting(f"{owner}{i}", str(owner), "x", owner * 10.0 + i) for owner in range(owners) for i in range(3)
    ]
    order = [each.owner for each in drained(jobs)]
    assert order == [str(owner) for owner in range(owners)] * 3


def test_alternating_models_are_grouped() -> None:
    jobs = [Waiting(str(i), "a", "xy"[i % 2], float(i)) for i in range(10)]
    models = [each.model for each in drained(jobs)]
    assert models == ["x"] * 5 + ["y"] * 5
    assert choose([], {}, (), 0) is None
