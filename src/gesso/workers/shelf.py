"""The shelf: loaded models, kept up to so many bytes; the one that was not used for longest goes first."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Shelf"]

T = TypeVar("T")


@dataclass
class Shelf(Generic[T]):
    """Things that are slow to load and large to keep.

    Args:
        load: loads one by its name.
        weigh: bytes that a loaded one takes.
        expect: bytes that one will take, before it is loaded.
        room: the most bytes to keep; one alone may be larger.
    """

    load: Callable[[str], T]
    weigh: Callable[[T], int]
    expect: Callable[[str], int]
    room: int
    kept: dict[str, T] = field(default_factory=dict[str, T])
    switches: int = 0

    @property
    def names(self) -> Collection[str]:
        """What is there."""
        return self.kept.keys()

    def get(self, name: str) -> T:
        """The one of that name, loaded if it is not there."""
        found = self.kept.pop(name, None)
        if found is None:
            self._clear(self.room - self.expect(name))
            self.switches += 1
            found = self.load(name)
        self.kept[name] = found
        return found

    def _clear(self, room: int) -> None:
        """Let go until what is left fits."""
        while self.kept and sum(map(self.weigh, self.kept.values())) > room:
            del self.kept[next(iter(self.kept))]
