"""`gesso morph`: frames on the way from one picture to another."""

import json
import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import CliPositionalArg

from gesso.cli.series import Series
from gesso.errors import RequestError
from gesso.series.morph import morph

if TYPE_CHECKING:
    from gesso.series.task import Task

__all__ = ["Morph"]

MOVING = (".webp", ".gif", ".png")


class Morph(Series):
    """Paint frames from one prompt or seed to another, as numbered pictures and as one that moves."""

    prompt: CliPositionalArg[str] = ""
    """What the first frame shows."""
    to: str | None = None
    """What the last frame shows; unless given, the same."""
    to_seed: int | None = Field(default=None, ge=0, lt=2**64)
    """Seed of the last frame; unless given, the same."""
    frames: int = 9
    """How many frames, both ends included."""
    animation: Path | None = None
    """A file for all frames as one moving picture, ending in .webp, .gif or .png."""
    fps: float = Field(default=8.0, gt=0.0, le=60.0)
    """Frames a second in it."""
    out: Path = Path("morph")
    """Folder for the frames."""

    def cli_cmd(self) -> None:
        """Paint the frames that are not there yet, then put them together."""
        if self.animation is not None and self.animation.suffix.lower() not in MOVING:
            raise RequestError(f"--animation must end in {', '.join(MOVING)}, however: {self.animation}")
        request = self.request()
        seed = secrets.randbelow(2**32) if request.seed is None else request.seed
        asked = morph(request.model_copy(update={"seed": seed}), self.to, self.to_seed, self.frames)
        tasks = [
            self.planned(self.out / f"{number:04}", self.model, each) for number, each in enumerate(asked, 1)
        ]
        if self.dry_run:
            sys.stdout.write(self.told(tasks) + "\n")
            return
        self.paint(tasks)
        files = [str(each.file) for each in tasks]
        if self.animation is not None:
            files.append(str(_moving(tasks, self.animation, self.fps)))
        if self.json_output:
            sys.stdout.write(json.dumps(files, indent=2) + "\n")


def _moving(tasks: list["Task"], path: Path, fps: float) -> Path:
    """All frames in one file, in the place of an older one."""
    from PIL import Image

    first, *others = (Image.open(each.file).convert("RGB") for each in tasks)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        part = Path(folder) / path.name
        # of the formats that move, only WebP asks; the others are without loss, apart from GIF's 256 colours
        first.save(
            part, save_all=True, append_images=others, duration=round(1000 / fps), loop=0, lossless=True
        )
        return part.replace(path)
