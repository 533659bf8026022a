"""A Sheet: pictures in rows and columns with their labels, as one picture."""

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

__all__ = ["sheet"]

GAP = 8
"""Pixels between pictures and around labels."""
PAPER, INK = "white", "black"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def sheet(
    rows: Sequence[Sequence[Image.Image]], across: Sequence[str], down: Sequence[str], title: str = ""
) -> Image.Image:
    """One picture of all of them.

    Args:
        rows: pictures row by row; columns are as wide as their widest, rows as high as their highest.
        across: a label for every column; empty ones take no room.
        down: a label for every row.
        title: what stands above everything.
    """
    widths = [max(picture.width for picture in column) for column in zip(*rows, strict=True)]
    heights = [max(picture.height for picture in row) for row in rows]
    font = ImageFont.load_default(max(10, min(28, min(widths) // 14)))
    tops = [_wrapped(label, font, width) for label, width in zip(across, widths, strict=True)]
    sides = [_wrapped(label, font, max(72, widths[0] // 2)) for label in down]
    above, over = _room([title], font)[1], _room(tops, font)[1]
    left = _room(sides, font)[0]
    size = (
        left + sum(widths) + GAP * (len(widths) - 1),
        above + over + sum(heights) + GAP * (len(heights) - 1),
    )
    paper = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(paper)
    draw.text((size[0] / 2, above / 2), title, INK, font, "mm")
    columns, lines = _starts(left, widths), _starts(above + over, heights)
    for x, width, label in zip(columns, widths, tops, strict=True):
        draw.multiline_text((x + width / 2, above + over / 2), label, INK, font, "mm", align="center")
    for y, height, label, row in zip(lines, heights, sides, rows, strict=True):
        draw.multiline_text((left / 2, y + height / 2), label, INK, font, "mm", align="center")
        for x, picture in zip(columns, row, strict=True):
            paper.paste(picture.convert("RGB"), (x, y))
    return paper


def _wrapped(label: str, font: Font, width: int) -> str:
    """A label in lines that are not wider than this."""
    letters = max(4, int(width / max(1.0, font.getlength("n"))))
    return "\n".join(textwrap.wrap(label, letters))


def _room(labels: Sequence[str], font: Font) -> tuple[int, int]:
    """Width and height of the largest, with a gap to both sides; none for none."""
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [draw.multiline_textbbox((0, 0), label, font) for label in labels if label]
    if not boxes:
        return 0, 0
    return int(max(box[2] for box in boxes)) + 2 * GAP, int(max(box[3] for box in boxes)) + 2 * GAP


def _starts(first: int, sizes: Sequence[int]) -> list[int]:
    return [first + sum(sizes[:index]) + GAP * index for index in range(len(sizes))]
