"""Which job is next: owners take turns, models are switched seldom, and nobody waits for ever."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["STREAK", "Waiting", "choose"]

STREAK = 8
"""How many jobs in a row may go before the one whose turn it is, because their model is loaded."""


@dataclass(frozen=True)
class Waiting:
    """A job in the queue, as far as its order goes."""

    id: str
    owner: str
    model: str
    position: float


def choose(
    waiting: Sequence[Waiting], served: Mapping[str, float], loaded: Collection[str], streak: int
) -> Waiting | None:
    """The next job.

    The owner whose last job began longest ago has the turn, with the first of his jobs. Another job goes
    before it if its model is loaded and that one's is not, at most `STREAK` times in a row.

    Args:
        waiting: the queue, in any order.
        served: when each owner's last job began.
        loaded: models that are in memory.
        streak: how many jobs went before the one whose turn it was, since the last whose turn it was.
    """
    order = sorted(waiting, key=lambda each: (served.get(each.owner, 0.0), each.position))
    if not order:
        return None
    if order[0].model in loaded or streak >= STREAK:
        return order[0]
    return next((each for each in order if each.model in loaded), order[0])
