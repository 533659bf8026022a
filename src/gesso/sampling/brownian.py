"""A Brownian path that a seed alone decides, wherever and in whatever order it is asked for."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from torch import Tensor

__all__ = ["BrownianPath"]

Normal = Callable[[int], Float[Tensor, "..."]]
"""seed → unit Gaussian noise."""

DIGITS = 6
"""Times are rounded to this many decimals, where the halving ends."""


class BrownianPath:
    """Halves an interval until it meets the time asked for; each middle has its own seed.

    The same numbers as torchsde's BrownianTree with its defaults and the same seed, up to the order in which
    they are added; here the noise at the nodes can come from any stream.

    Args:
        normal: where noise comes from.
        seed: decides the path.
        start: first time.
        end: last time.

    Source: Li et al. 2020, arXiv:2001.01328, algorithm 3 (virtual Brownian tree); seeds of the nodes as in
    torchsde, _brownian/brownian_interval.py (halfway_tree).
    """

    def __init__(self, normal: Normal, seed: int, start: float, end: float) -> None:
        self._normal, self._seed = normal, seed
        self._start, self._end = round(start, DIGITS), round(end, DIGITS)
        self._whole = normal(self._node_seed(())) * math.sqrt(self._end - self._start)
        # a step asks for its two ends, of which the step before has computed one
        self._at = lru_cache(maxsize=4)(self._value)

    def __call__(self, start: float, end: float) -> Float[Tensor, "..."]:
        """The path's increment from one time to another; times outside the path mean its ends."""
        return self._at(self._inside(end)) - self._at(self._inside(start))

    def _inside(self, time: float) -> float:
        return min(max(round(time, DIGITS), self._start), self._end)

    def _value(self, time: float) -> Float[Tensor, "..."]:
        """The path's height over its start."""
        left, right = self._start, self._end
        if time == right:
            return self._whole
        height, increment = self._whole * 0, self._whole
        number, depth = 0, 0
        while time != left:
            middle = round((left + right) / 2, DIGITS)
            to_left, to_right = middle - left, right - middle
            noise = self._normal(self._node_seed((number, depth)))
            rise = increment * (to_left / (right - left))
            rise = rise + noise * math.sqrt(to_left * to_right / (right - left))
            depth += 1
            if time < middle:
                right, increment, number = middle, rise, 2 * number
            else:
                left, increment, number = middle, increment - rise, 2 * number + 1
                height = height + rise
        return height

    def _node_seed(self, place: tuple[int, ...]) -> int:
        """The seed of a node, or, for no place, of the whole path's increment."""
        sequence = np.random.SeedSequence(self._seed, spawn_key=place, pool_size=24)
        return int(sequence.generate_state(1)[0])
