"""Names and sizes of tensors, as a file's header gives them; no tensor is read."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Self

__all__ = ["Shapes"]


class Shapes(Mapping[str, tuple[int, ...]]):
    """The size of every named tensor: what a file is recognised by and what networks are built from."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = dict(shapes)

    def __getitem__(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Shapes({len(self)} tensors)"

    def under(self, prefix: str) -> Self:
        """The tensors whose names start with a prefix, without it."""
        cut = len(prefix)
        return type(self)({name[cut:]: size for name, size in self.items() if name.startswith(prefix)})

    def count(self, prefix: str) -> int:
        """How many numbered children there are under a name: one more than the highest number, 0 if none."""
        return self._counts.get(prefix, 0)

    @cached_property
    def _hash(self) -> int:
        return hash(frozenset(self._shapes.items()))

    @cached_property
    def _counts(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for name in self:
            parts = name.split(".")
            for depth, part in enumerate(parts):
                if len(part) < 9 and part.isascii() and part.isdigit():
                    parent = ".".join(parts[:depth])
                    counts[parent] = max(counts.get(parent, 0), int(part) + 1)
        return counts
