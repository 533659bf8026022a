"""`gesso batch`: one picture for every line of a file."""

import json
import sys
from pathlib import Path

from pydantic_settings import CliPositionalArg

from gesso.cli.series import Series
from gesso.errors import RequestError
from gesso.series.axis import Ask
from gesso.series.rows import rows

__all__ = ["Batch"]


class Batch(Series):
    """Paint one picture for every line of a file: a prompt, or a request as JSON. Broken off, it goes on."""

    file: CliPositionalArg[Path]  # pyright: ignore[reportGeneralTypeIssues] - required here
    """The file of lines; those that are empty or begin with # are passed over."""
    prompt: str = ""
    """What to paint where a line says none."""
    out: Path = Path("batch")
    """Folder for the pictures."""

    def cli_cmd(self) -> None:
        """Paint what is not there yet."""
        start = Ask(self.model, self.request().model_dump())
        asked = rows(_read(self.file), start)
        tasks = [
            self.planned(self.out / f"{number:05}", model, request)
            for number, (model, request) in enumerate(asked, 1)
        ]
        if self.dry_run:
            sys.stdout.write(self.told(tasks) + "\n")
            return
        self.paint(tasks)
        if self.json_output:
            sys.stdout.write(json.dumps([str(each.file) for each in tasks], indent=2) + "\n")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} must be a text file, however: {error}") from error
