"""`gesso inspect`: what a file is, why, what it could be instead, and what is wrong with it."""

import sys
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field
from pydantic_settings import CliImplicitFlag, CliPositionalArg

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.hashes import by_name
from gesso.families.identify import identify
from gesso.families.report import report

__all__ = ["Inspect"]


class Inspect(BaseModel, use_attribute_docstrings=True):
    """Say what a checkpoint file is, and why. Reads only its header."""

    file: CliPositionalArg[Path]
    """The checkpoint file."""
    ema: CliImplicitFlag[bool] = False
    """Look at a training checkpoint's averaged weights."""
    prediction: str | None = None
    """What the network predicts, where the file's own evidence must be overruled."""
    family: str | None = None
    """The family you hold it to be; a file that contradicts it is refused with the key that does."""
    hashes: CliImplicitFlag[bool] = False
    """Also the file's hashes, which means reading all of it."""
    json_output: Annotated[CliImplicitFlag[bool], Field(validation_alias="json")] = False
    """Print JSON."""

    def cli_cmd(self) -> None:
        """Print the report."""
        identity = identify(
            Checkpoint.open(self.file), ema=self.ema, prediction=self.prediction, wanted=self.family
        )
        found = report(identity)
        if self.hashes and self.file.is_file():
            found = found.model_copy(update={"hashes": by_name(self.file)})
        sys.stdout.write((found.model_dump_json(indent=2) if self.json_output else found.text()) + "\n")
