"""`gesso grid`: pictures over up to three axes, as sheets with labels, as a page, and each by itself."""

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import CliPositionalArg

from gesso.cli.series import Series
from gesso.series.grid import Cell, Grid, grid

if TYPE_CHECKING:
    from PIL.Image import Image

    from gesso.series.task import Task

__all__ = ["GridCommand"]


class GridCommand(Series):
    """Paint every combination of values: --x steps=10,20 --y cfg=1:9:2 --z seed=1-4."""

    prompt: CliPositionalArg[str] = ""
    """What to paint; with `matrix` as an axis, parts between | are combined."""
    x: str = Field(min_length=1)
    """What varies from left to right: FIELD=VALUES, model=FILES, prompt~WORD=WORDS or matrix."""
    y: str = ""
    """What varies from top to bottom."""
    z: str = ""
    """What varies from sheet to sheet."""
    out: Path = Path("grid")
    """Folder for the sheets, the page and the folder of cells."""

    def cli_cmd(self) -> None:
        """Paint what is not there yet, then put it together."""
        found = grid(self.model, self.request(), self.x, self.y, self.z)
        tasks = [self.planned(self._place(cell), cell.model, cell.request) for cell in found.cells]
        if self.dry_run:
            sys.stdout.write(self.told(tasks) + "\n")
            return
        self.paint(tasks)
        files = self._put_together(found, tasks)
        cells = [str(each.file) for each in tasks]
        said = json.dumps(
            {"page": str(files[0]), "sheets": [str(each) for each in files[1:]], "cells": cells}
        )
        sys.stdout.write((said if self.json_output else "\n".join(str(each) for each in files)) + "\n")

    def _place(self, cell: Cell) -> Path:
        x, y, z = (index + 1 for index in cell.place)
        return self.out / "cells" / f"x{x}-y{y}-z{z}"

    def _put_together(self, found: Grid, tasks: list["Task"]) -> list[Path]:
        """The page and a sheet for every z; the sheets are named for their cells, so none is old."""
        from gesso.series.page import page

        files = {cell.place: each.file for cell, each in zip(found.cells, tasks, strict=True)}
        html = self.out / "index.html"
        part = html.with_suffix(".part")
        part.write_text(page(self.prompt or "grid", found, files), encoding="utf-8")
        part.replace(html)
        return [html, *(self._sheet(found, files, z) for z in range(len(found.axes[2].choices)))]

    def _sheet(self, found: Grid, files: dict[tuple[int, int, int], Path], z: int) -> Path:
        from gesso.generation.pictures import Texts, write_picture
        from gesso.series.sheet import sheet

        across, down, over = (each.labels for each in found.axes)
        names = [[files[x, y, z] for x in range(len(across))] for y in range(len(down))]
        digest = hashlib.sha256("".join(f"{name}" for row in names for name in row).encode()).hexdigest()[:12]
        path = self.out / f"sheet-{z + 1}-{digest}.png"
        if path.is_file():
            path.unlink()
        rows = [[_opened(name) for name in row] for row in names]
        return write_picture(sheet(rows, across, down, over[z]), path, Texts())


def _opened(path: Path) -> "Image":
    from PIL import Image

    with Image.open(path) as file:
        return file.convert("RGB")
