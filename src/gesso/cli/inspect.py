"""`gesso inspect`: what a file is, why, what it could be instead, and what is wrong with it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AliasChoices, BaseModel, Field
from pydantic_settings import CliImplicitFlag, CliPositionalArg

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.hashes import by_name
from gesso.errors import UnknownFamily
from gesso.families.component import ComponentReport, component
from gesso.families.identify import identify
from gesso.families.report import Report, report

if TYPE_CHECKING:
    from gesso.adapters.coverage import Coverage

__all__ = ["Inspect"]


class Inspect(BaseModel, use_attribute_docstrings=True):
    """Say what a checkpoint, an adapter or a part of a model is, and why. Reads only the header."""

    file: CliPositionalArg[Path]
    """The file."""
    model: Annotated[Path | None, Field(validation_alias=AliasChoices("m", "model"))] = None
    """The checkpoint that an adapter file is to be put on: says what of it would not apply."""
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
        file = Checkpoint.open(self.file)
        try:
            identity = identify(file, ema=self.ema, prediction=self.prediction, wanted=self.family)
        except UnknownFamily:
            if self.family is None and (self._adapter(file) or self._component(file)):
                return
            raise
        found = report(identity)
        if self.hashes and self.file.is_file():
            found = found.model_copy(update={"hashes": by_name(self.file)})
        self._print(found)

    def _adapter(self, file: Checkpoint) -> bool:
        """Print what an adapter file is, if it is one."""
        from gesso.adapters.coverage import covered, is_adapter
        from gesso.adapters.site import Target

        if not is_adapter(file):
            return False
        model = None if self.model is None else identify(Checkpoint.open(self.model), ema=self.ema)
        self._print(covered(file, None if model is None else Target.of_file(model)))
        return True

    def _component(self, file: Checkpoint) -> bool:
        """Print what parts a file holds, if it holds some."""
        found = component(file)
        if found is not None:
            self._print(found)
        return found is not None

    def _print(self, found: "Report | Coverage | ComponentReport") -> None:
        sys.stdout.write((found.model_dump_json(indent=2) if self.json_output else found.text()) + "\n")
