"""The record of a run: lines of JSON, each of a step; nothing in them depends on the clock."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Record"]


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

    def back_to(self, step: int) -> None:
        """Drop what was written of later steps, and half a line that a kill left."""
        kept = [row for row in self.rows() if row["step"] <= step]
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        if self.path.is_file():
            beside.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
            beside.replace(self.path)
