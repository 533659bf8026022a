"""The gallery page, painted by the commands that it shows.

python -m studies.gallery.make --out docs/gallery.md

Every picture comes from a `gesso` command run as a user would run it, by the built-in checkpoint and the
files that come with it.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageDraw

from studies.gallery.sections import SECTIONS, Section
from studies.gallery.sheet import Shown, sheet

TITLE = """# Gallery

All of this is painted by the checkpoint that comes with gesso (64 x 64 pixels, emoji scenes), by the commands
shown; `python -m studies.gallery.make` paints it again.
"""


def masks(folder: Path) -> None:
    """The masks that the edits use: white where something is painted."""
    middle = Image.new("L", (64, 64), 0)
    ImageDraw.Draw(middle).ellipse((12, 12, 52, 52), fill=255)
    middle.save(folder / "middle.png")


def run(section: Section, work: Path) -> None:
    """All of a section's commands, one after another."""
    for command in section.commands:
        words = shlex.split(command)
        assert words[0] == "gesso", "the gallery shows gesso commands only"
        subprocess.run([sys.executable, "-m", *words], cwd=work, check=True, capture_output=True)


def text(section: Section, number: int) -> str:
    """A section of the page."""
    commands = "\n".join(section.commands)
    picture = f"![{section.title}](pictures/gallery/{number:02}.png)"
    return f"\n## {section.title}\n\n{section.text}\n\n```\n{commands}\n```\n\n{picture}\n"


def main() -> None:
    """Paint everything and write the page."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--out", type=Path, default=Path("docs/gallery.md"))
    page: Path = options.parse_args().out
    pictures = page.parent / "pictures" / "gallery"
    pictures.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        page.write_text(TITLE + "".join(painted(Path(folder), pictures)))


def painted(work: Path, pictures: Path) -> Iterator[str]:
    """Every section of the page, its row of pictures saved.

    Args:
        work: an empty folder where the commands run and leave their pictures.
        pictures: where the page's own pictures are kept.
    """
    masks(work)
    for number, section in enumerate(SECTIONS, 1):
        run(section, work)
        shown = [Shown(next(work.glob(pattern)), label) for pattern, label in section.shown]
        sheet(shown, section.height).save(pictures / f"{number:02}.png", optimize=True)
        print(section.title, flush=True)
        yield text(section, number)


if __name__ == "__main__":
    main()
