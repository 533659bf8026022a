"""The record of a run: lines of JSON, each of a step; nothing in them depends on the clock."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Line", "Record", "smoothed"]

Line = Sequence[tuple[float, float]]
"""Points of a curve: steps and values."""
POINTS = 400
TAIL = 4096
"""Bytes of a file's end in which its last line is looked for."""


class Record:
    """A file of JSON lines, each with a step; going back to a step drops what came after it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write more lines."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def rows(self) -> list[dict[str, Any]]:
        """Every line that is whole."""
        if not self.path.is_file():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n") and line.strip()]

    def last(self) -> dict[str, Any] | None:
        """The last line that is whole, without reading what comes before; None without any."""
        if not self.path.is_file():
            return None
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - TAIL))
            whole = file.read().rpartition(b"\n")[0]
        return json.loads(whole.rpartition(b"\n")[2]) if whole else None

    def back_to(self, step: int) -> None:
        """Drop what was written of later steps, and half a line that a kill left."""
        kept = [row for row in self.rows() if row["step"] <= step]
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        if self.path.is_file():
            beside.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
            beside.replace(self.path)


def smoothed(line: Line) -> Line:
    """Means of neighbours, where there are more points than can be seen."""
    width = max(1, len(line) // POINTS)
    groups = [line[i : i + width] for i in range(0, len(line), width)]
    return [(each[-1][0], sum(y for _, y in each) / len(each)) for each in groups]
