"""`gesso outpaint`: paint around a picture, whose own pixels keep their bytes."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import CliPositionalArg

from gesso.cli.edit import Pictured
from gesso.cli.generate import Generate
from gesso.errors import RequestError
from gesso.request import Extend, Growth, Request, Source

__all__ = ["Outpaint"]


class Outpaint(Generate, Pictured):
    """Paint around a picture, to any side; the picture itself keeps its bytes."""

    image: CliPositionalArg[Path]  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues] - required here
    """The picture."""
    prompt: CliPositionalArg[str]  # pyright: ignore[reportGeneralTypeIssues] - required here
    """What to paint there; "" leaves it to the model."""
    left: Growth = 0
    """Pixels to add to the left."""
    up: Growth = 0
    """Pixels to add above."""
    right: Growth = 0
    """Pixels to add to the right."""
    down: Growth = 0
    """Pixels to add below."""
    overlap: int = Field(default=0, ge=0, le=1024)
    """Pixels of the picture, next to the border, that may be painted too."""
    strength: float | None = Field(default=0.95, gt=0.0, le=1.0)
    """How much is painted anew. Below 1, what surrounds the border shines through in rough colours."""
    fill: Literal["neighbour", "patch", "noise", "nothing"] = "neighbour"
    """What painting starts from where strength is below 1."""
    match: Literal["smooth", "ring", "none"] = "smooth"
    """How the painting's colours are fitted to the picture."""

    def request(self) -> Request:
        """The request, with the picture on its larger canvas as its source.

        Raises:
            RequestError: no side is to grow.
        """
        if not any((self.left, self.up, self.right, self.down)):
            raise RequestError(
                "outpaint must add something, however: no side is to grow", hint="such as --left 256"
            )
        extend = Extend(left=self.left, up=self.up, right=self.right, down=self.down, overlap=self.overlap)
        source = Source(
            image=self.image,
            strength=self.strength or 1.0,
            extend=extend,
            fill=self.fill,
            match=self.match,
        )
        return super().request().model_copy(update={"source": source})
