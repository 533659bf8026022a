"""The order of showings: which pictures make up the n-th batch. It depends on the number n alone."""

import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

__all__ = ["Order", "Shown"]


@dataclass(frozen=True)
class Shown:
    """A picture as the order knows it: by its number.

    Args:
        repeats: how often it is shown in a round.
        bucket: only pictures of one bucket make a batch.
        prior: one of those that keep what the model knew: as many of them are shown as of the others.
    """

    repeats: int
    bucket: tuple[int, int]
    prior: bool = False


class Order:
    """Batches in rounds through all pictures, each round shuffled anew.

    In a bucket whose pictures do not fill whole batches, the last batch takes some of them once more.

    Args:
        shown: every picture, by its number.
        batch: pictures in a batch.
        seed: decides the shuffling.
    """

    def __init__(self, shown: Sequence[Shown], batch: int, seed: int) -> None:
        self.shown = tuple(shown)
        self.batch = batch
        self.seed = seed
        self.round = lru_cache(maxsize=2)(self._round)
        self._starts = [0]

    def __len__(self) -> int:
        """Batches in the first round; with prior pictures of several buckets later rounds may have others."""
        return self._length(0)

    def __call__(self, number: int) -> tuple[int, ...]:
        """The pictures of a batch, counted from 0 over all rounds."""
        while self._starts[-1] <= number:
            self._starts.append(self._starts[-1] + self._length(len(self._starts) - 1))
        turn = bisect_right(self._starts, number) - 1
        return self.round(turn)[number - self._starts[turn]]

    def _length(self, turn: int) -> int:
        return sum(ceil(len(group) / self.batch) for group in self._groups(turn).values())

    def _round(self, turn: int) -> tuple[tuple[int, ...], ...]:
        chance = random.Random(f"{self.seed} {turn}")
        found = [
            batch
            for group in self._groups(turn).values()
            for batch in _batches(chance.sample(group, len(group)), self.batch)
        ]
        chance.shuffle(found)
        return tuple(found)

    def _groups(self, turn: int) -> Mapping[tuple[int, int], list[int]]:
        """Pictures of each bucket, as often as they are shown in this round."""
        groups: dict[tuple[int, int], list[int]] = {}
        for number in (*self._showings(prior=False), *self._priors(turn)):
            groups.setdefault(self.shown[number].bucket, []).append(number)
        return groups

    def _showings(self, *, prior: bool) -> list[int]:
        return [
            number
            for number, each in enumerate(self.shown)
            if each.prior is prior
            for _ in range(each.repeats)
        ]

    def _priors(self, turn: int) -> list[int]:
        """As many prior showings as others, going on each round where the last one stopped."""
        pool = self._showings(prior=True)
        count = len(self._showings(prior=False)) if pool else 0
        return [pool[(turn * count + i) % len(pool)] for i in range(count)]


def _batches(numbers: Sequence[int], size: int) -> list[tuple[int, ...]]:
    found = [tuple(numbers[i : i + size]) for i in range(0, len(numbers), size)]
    last = found[-1]
    found[-1] = last + tuple(numbers[i % len(numbers)] for i in range(size - len(last)))
    return found
