"""A Page: a grid as HTML in one file that needs nothing else."""

import base64
import html
import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from gesso.series.axis import Axis
from gesso.series.grid import Cell, Grid

__all__ = ["page"]

STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff }
table { border-collapse: collapse; margin-bottom: 2rem }
th { padding: .4rem .8rem; font-weight: 600; position: sticky; background: #fffd }
thead th { top: 0 } tbody th { left: 0; text-align: right }
td { padding: 3px; vertical-align: top } img { display: block; max-width: 100% }
""".strip()


def page(title: str, grid: Grid, files: Mapping[tuple[int, int, int], Path]) -> str:
    """The page's text: a table for every z, the pictures in it, each a link to its own file.

    Args:
        files: every cell's picture, as the page will name it is its folder's and its own name.
    """
    tables = "\n".join(_table(grid, files, z) for z in range(len(grid.axes[2].choices)))
    name = html.escape(title)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{name}</title>\n<style>\n{STYLE}\n</style>\n<h1>{name}</h1>\n{tables}\n</html>\n"
    )


def _table(grid: Grid, files: Mapping[tuple[int, int, int], Path], z: int) -> str:
    across, down, over = grid.axes
    heads = "".join(f'<th scope="col">{_label(across, x)}</th>' for x in range(len(across.choices)))
    cells = {cell.place: cell for cell in grid.cells}
    rows = [
        f'<tr><th scope="row">{_label(down, y)}</th>'
        + "".join(_picture(cells[x, y, z], files[x, y, z]) for x in range(len(across.choices)))
        + "</tr>"
        for y in range(len(down.choices))
    ]
    head = f"<h2>{_label(over, z)}</h2>\n" if over.name else ""
    return (
        f"{head}<table>\n<thead><tr><th></th>{heads}</tr></thead>\n<tbody>\n"
        + "\n".join(rows)
        + "\n</tbody></table>"
    )


def _label(axis: Axis, index: int) -> str:
    return html.escape(axis.labels[index])


def _picture(cell: Cell, file: Path) -> str:
    """A table cell: a JPEG within the page, to keep it light, that leads to the file with every bit."""
    with Image.open(file) as image:
        packed, size = io.BytesIO(), image.size
        image.convert("RGB").save(packed, "JPEG", quality=90)
    data = base64.b64encode(packed.getvalue()).decode("ascii")
    told = html.escape(cell.request.model_dump_json(exclude_defaults=True, indent=1), quote=True)
    name = html.escape(f"{file.parent.name}/{file.name}", quote=True)
    return (
        f'<td><a href="{name}"><img width="{size[0]}" height="{size[1]}" title="{told}" alt="{told}" '
        f'src="data:image/jpeg;base64,{data}"></a></td>'
    )
