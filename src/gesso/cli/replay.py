"""`gesso replay`: paint a picture again from what it carries."""

import sys
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BaseModel, Field
from pydantic_settings import CliPositionalArg

__all__ = ["Replay"]


class Replay(BaseModel, use_attribute_docstrings=True):
    """Paint a picture again, from the picture alone, and say whether the pixels are the same."""

    picture: CliPositionalArg[Path]
    """A picture that gesso saved."""
    model: Annotated[Path | None, Field(validation_alias=AliasChoices("m", "model"))] = None
    """The checkpoint file, where it is no longer where it was."""
    out: Path = Path("pictures")
    """Folder for the new picture, or a file name."""

    def cli_cmd(self) -> None:
        """Paint it again and compare."""
        from gesso.cli.progress import follow
        from gesso.generation.generate import generate
        from gesso.generation.replay import compared, recalled

        with follow() as progress:
            progress.loading(self.model)
            model, request = recalled(self.picture, self.model)
            files = progress.painting(generate(model, request), model, self.out)
        sys.stdout.write(compared(self.picture, Path(str(files[0]["file"]))) + "\n")
