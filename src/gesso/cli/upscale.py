"""`gesso upscale`: enlarge a picture, alone or painted anew in parts."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import CliPositionalArg

from gesso.cli.edit import Pictured
from gesso.cli.generate import Generate
from gesso.errors import RequestError
from gesso.request import Request, Size, Source, Upscaler, Windows

__all__ = ["Upscale"]


class Upscale(Generate, Pictured):
    """Enlarge a picture: by a filter or a network alone, or with --strength painted anew in windows."""

    image: CliPositionalArg[Path]  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues] - required here
    """The picture."""
    by: float = Field(default=2.0, gt=0.0, le=16.0)
    """How many times larger it becomes."""
    upscaler: Upscaler = "lanczos"
    """What enlarges it: lanczos, bicubic, nearest, latent, latent-bicubic, latent-nearest, or a file."""
    strength: float | None = Field(default=0.0, ge=0.0, le=1.0)
    """How much is painted anew once it is larger: the share of the steps that run. 0 paints nothing."""
    tile: Size | None = None
    """Width x height in pixels of the windows that it is painted in; the model's own size unless given."""
    overlap: int | None = Field(default=None, ge=8)
    """Pixels that neighbouring windows share at least."""

    def request(self) -> Request:
        """The request, with the picture as its source.

        Raises:
            RequestError: an option says how to paint where nothing is painted.
        """
        strength = self.strength or 0.0
        if strength == 0.0 and (self.tile is not None or self.overlap is not None):
            raise RequestError("--tile and --overlap must come with --strength, however: nothing is painted")
        source = Source(image=self.image, by=self.by, upscaler=self.upscaler, strength=strength)
        update: dict[str, object] = {"source": source}
        if strength > 0.0:
            told = {"size": self.tile, "overlap": self.overlap}
            windows = self.windows or Windows()
            update["windows"] = windows.model_copy(
                update={name: value for name, value in told.items() if value is not None}
            )
        return super().request().model_copy(update=update)
