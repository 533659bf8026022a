"""`gesso annotate`: make the picture that a control model is shown."""

import sys
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg

from gesso.request import OptionValue

__all__ = ["Annotate"]


class Annotate(BaseModel, use_attribute_docstrings=True):
    """Make of a picture what a control model is shown: edges, lines, tones."""

    image: CliPositionalArg[Path]
    """The picture."""
    name: Annotated[str, Field(validation_alias="with")]
    """canny, lineart, scribble, softedge, blur, tile, colours, normal, invert, threshold or shuffle; or a
    network's file (.onnx), which draws a map, or finds something and draws a mask."""
    options: dict[str, OptionValue] = Field(default_factory=dict[str, OptionValue])
    """The annotator's own settings by name, such as low=50."""
    out: Path = Path("pictures")
    """Folder for the new picture, or a file name."""

    def cli_cmd(self) -> None:
        """Make it, and say where it is."""
        from gesso.annotators.network import ENDING, drawn, network_options
        from gesso.annotators.table import annotated
        from gesso.generation.editing import open_picture

        picture, file = open_picture(self.image, None, "image"), Path(self.name)
        if file.suffix.lower() == ENDING:
            found = drawn(picture, file, network_options(self.options))
        else:
            found = annotated(picture, self.name, self.options)
        path = self.out if self.out.suffix else self.out / f"{self.image.stem}-{file.stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        found.save(path)
        sys.stdout.write(f"{path}\n")
