"""Pictures side by side, each over a line of words."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

MARGIN, LABEL = 12, 26


@dataclass(frozen=True)
class Shown:
    """A picture and what is written below it."""

    file: Path
    label: str


def sheet(shown: list[Shown], height: int) -> Image.Image:
    """All in one row, enlarged alike until the tallest has so many pixels."""
    pictures = [Image.open(each.file).convert("RGB") for each in shown]
    scale = height / max(picture.height for picture in pictures)
    large = [
        picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS
        )
        for picture in pictures
    ]
    width = sum(picture.width + MARGIN for picture in large) + MARGIN
    page = Image.new("RGB", (width, height + LABEL + 2 * MARGIN), "white")
    pen, font, left = ImageDraw.Draw(page), ImageFont.load_default(12), MARGIN
    for picture, each in zip(large, shown, strict=True):
        page.paste(picture, (left, MARGIN))
        pen.text((left, MARGIN + height + 6), each.label, fill="#444444", font=font)
        left += picture.width + MARGIN
    return page
