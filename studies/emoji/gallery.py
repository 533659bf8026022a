"""The README's picture: prompts painted by the built-in checkpoint, on one sheet.

python -m studies.emoji.gallery --out docs/pictures/grid.png
"""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import gesso

PROMPTS = (
    "a red apple",
    "three strawberries in the grass",
    "a castle above a guitar",
    "an ink drawing of an umbrella",
    "a panda and a strawberry on green",
    "two cats in the snow",
    "a comic of a key on a teal background",
    "a hamburger on a yellow background",
    "a penguin in the snow",
    "a guitar in ink",
    "a robot above an avocado",
    "a sailboat and a star on gray",
)
COLUMNS, SCALE, MARGIN, LABEL = 4, 3, 12, 26


def main() -> None:
    """Paint and lay out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/grid.png"))
    parser.add_argument("--model", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    model = gesso.load(asked.model)
    pictures = [gesso.paint(model, gesso.Request(prompt=each, seed=asked.seed)).images[0] for each in PROMPTS]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(pictures).save(asked.out, optimize=True)
    print(asked.out)


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """Pictures in rows, each over its prompt."""
    side = pictures[0].width * SCALE
    rows = -(-len(pictures) // COLUMNS)
    size = (COLUMNS * (side + MARGIN) + MARGIN, rows * (side + LABEL + MARGIN) + MARGIN)
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(11)
    for i, (prompt, picture) in enumerate(zip(PROMPTS, pictures, strict=True)):
        left = MARGIN + (i % COLUMNS) * (side + MARGIN)
        top = MARGIN + (i // COLUMNS) * (side + LABEL + MARGIN)
        page.paste(picture.resize((side, side), Image.Resampling.LANCZOS), (left, top))
        draw.text((left, top + side + 5), prompt, fill="#444444", font=font)
    return page


if __name__ == "__main__":
    main()
