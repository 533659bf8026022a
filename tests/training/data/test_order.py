"""The order shows every picture, in batches of one size."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gesso.training.data.order import Order, Shown

BUCKETS = st.sampled_from([(64, 64), (32, 128)])
PICTURES = st.lists(st.builds(Shown, st.integers(1, 3), BUCKETS), min_size=1, max_size=12)


@given(PICTURES, st.integers(1, 5), st.integers(0, 3))
def test_a_round_shows_every_picture_as_often_as_it_is_repeated(
    shown: list[Shown], batch: int, turn: int
) -> None:
    order = Order(shown, batch, seed=1)
    count = len(order)
    batches = [order(turn * count + i) for i in range(count)]
    seen = Counter(number for each in batches for number in each)
    assert all(len(each) == batch for each in batches)
    assert all(len({shown[number].bucket for number in each}) == 1 for each in batches)
    assert all(seen[i] >= each.repeats for i, each in enumerate(shown))
    # only what fills a bucket's last batch comes once more
    assert sum(seen.values()) - sum(each.repeats for each in shown) < batch * len({s.bucket for s in shown})


def test_a_batch_s_number_decides_alone() -> None:
    shown = [Shown(1, (64, 64)) for _ in range(20)]
    forwards, backwards = Order(shown, 3, seed=5), Order(shown, 3, seed=5)
    numbers = range(50)
    there = [forwards(n) for n in numbers]
    assert there == [backwards(n) for n in reversed(numbers)][::-1]
    assert there[:7] != there[7:14]
    assert there != [Order(shown, 3, seed=6)(n) for n in numbers]


def test_as_many_prior_pictures_as_others_and_all_of_them_in_turn() -> None:
    shown = [Shown(2, (64, 64)), *(Shown(1, (64, 64), prior=True) for _ in range(5))]
    order = Order(shown, 2, seed=0)
    seen = Counter(number for i in range(10) for number in order(i))
    assert seen[0] == 10
    assert sorted(seen[i] for i in range(1, 6)) == [2] * 5
