"""`gesso batch`: one picture for every line of a file, or over every picture of a folder."""

import json
import sys
from pathlib import Path

from pydantic_settings import CliPositionalArg

from gesso.cli.series import Series
from gesso.errors import RequestError
from gesso.request import Request
from gesso.series.axis import Ask
from gesso.series.folder import over_each
from gesso.series.rows import rows

__all__ = ["Batch"]


class Batch(Series):
    """Paint one picture for every line of a file or picture of a folder. Broken off, it goes on."""

    file: CliPositionalArg[Path]  # pyright: ignore[reportGeneralTypeIssues] - required here
    """A file of lines, each a prompt or a request as JSON, or a folder of pictures."""
    prompt: str = ""
    """What to paint where a line says none."""
    masks: Path | None = None
    """With a folder of pictures: a folder of masks that have their names, or a detector (.onnx) for all."""
    out: Path = Path("batch")
    """Folder for the pictures."""

    def request(self) -> Request:
        """What all have in common; the folder stands for each of its pictures."""
        if not self.file.is_dir() or self.image is not None:
            return super().request()
        return self.model_copy(update={"image": self.file}).request()

    def cli_cmd(self) -> None:
        """Paint what is not there yet."""
        tasks = [self.planned(self.out / name, model, request) for name, model, request in self._asked()]
        if self.dry_run:
            sys.stdout.write(self.told(tasks) + "\n")
            return
        self.paint(tasks)
        if self.json_output:
            sys.stdout.write(json.dumps([str(each.file) for each in tasks], indent=2) + "\n")

    def _asked(self) -> list[tuple[str, Path | None, Request]]:
        """Every picture's name, model and request."""
        start = Ask(self.model, self.request().model_dump())
        if self.file.is_dir():
            over = over_each(self.file, start, self.masks)
            return [(name, self.model, request) for name, request in over.items()]
        if self.masks is not None:
            raise RequestError(f"--masks must go with a folder of pictures, however: {self.file} is none")
        lines = rows(_read(self.file), start)
        return [(f"{number:05}", model, request) for number, (model, request) in enumerate(lines, 1)]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} must be a text file, however: {error}") from error
