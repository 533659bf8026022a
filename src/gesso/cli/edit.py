"""`gesso edit`: paint into a picture; what lies outside the mask keeps its bytes."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_settings import CliImplicitFlag, CliPositionalArg

from gesso.cli.generate import Generate
from gesso.request import Mask, OptionValue, Request, Source

__all__ = ["Edit", "Pictured"]


class Pictured(BaseModel):
    """Puts the picture before the prompt: fields of a last base class come first."""

    image: CliPositionalArg[Path]


class Edit(Generate, Pictured):
    """Paint into a picture where a mask says so; everything else keeps its bytes."""

    image: CliPositionalArg[Path]  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues] - required here
    """The picture."""
    prompt: CliPositionalArg[str]  # pyright: ignore[reportGeneralTypeIssues] - required here
    """What to paint there; "" leaves it to the model."""
    mask: Path | None = None
    """The mask's file, white where it is to be painted, or WIDTHxHEIGHT+LEFT+TOP, or a detector (.onnx) that
    finds it; unless given, the picture's transparent parts are painted."""
    mask_options: dict[str, OptionValue] = Field(default_factory=dict[str, OptionValue])
    """A detector's settings by name, such as score=0.5 or kind=face."""
    paint: Literal["white", "black", "transparent", "opaque"] = "white"
    """Which of the mask's pixels mean "paint"."""
    grow: int = Field(default=0, ge=-1024, le=1024)
    """Pixels by which the mask is grown, or shrunk below 0."""
    blur: float = Field(default=0.0, ge=0.0, le=256.0)
    """Standard deviation in pixels of a blur that softens the mask to both sides."""
    feather: int = Field(default=8, ge=0, le=1024)
    """Pixels over which the painting fades in, inwards from the mask's edge."""
    strength: float | None = Field(default=1.0, gt=0.0, le=1.0)
    """How much is painted anew: the share of the steps that run. 1 keeps nothing of what was there."""
    fill: Literal["original", "neighbour", "patch", "blur", "noise", "nothing"] = "original"
    """What painting starts from where strength is below 1."""
    soft: Literal["strength", "blend"] = "strength"
    """What greys in the mask mean: painted anew to that share, or mixed in by that share."""
    only_masked: CliImplicitFlag[bool] = False
    """Paint a cutting around the mask at the model's own size, instead of the whole picture."""
    padding: int = Field(default=32, ge=0, le=4096)
    """Pixels around the mask that such a cutting shows beside it."""
    match: Literal["smooth", "ring", "none"] = "smooth"
    """How the painting's colours are fitted to what is kept."""

    def request(self) -> Request:
        """The request, with the picture and its mask as its source."""
        shape = Mask() if self.mask is None else Mask.model_validate(self.mask)
        told: dict[str, object] = {
            "paint": self.paint,
            "grow": self.grow,
            "blur": self.blur,
            "feather": self.feather,
        }
        told["options"] = self.mask_options
        mask = shape.model_copy(update=told)
        source = Source(
            image=self.image,
            strength=self.strength or 1.0,
            mask=mask,
            fill=self.fill,
            soft=self.soft,
            only_masked=self.only_masked,
            padding=self.padding,
            match=self.match,
        )
        return super().request().model_copy(update={"source": source})
