"""Uses: files beside the checkpoint that a request names, each with how it is used."""

from pathlib import Path
from typing import Literal, cast

from pydantic import Field, model_validator

from gesso.request.parts import OptionValue, Part, PortablePath, Share

__all__ = ["ControlUse", "EmbeddingUse", "ImagePrompt", "LoraUse", "Refiner"]


class Refiner(Part):
    """A second model that takes over the same denoising run near its end."""

    model: PortablePath
    """The refiner's checkpoint file."""
    start: float = Field(default=0.8, gt=0.0, lt=1.0)
    """Share of the trained noise range the base model covers before the refiner takes over."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        return {"model": value} if isinstance(value, str | Path) else value


def _from_file(value: object) -> object:
    """Accept "style.safetensors" and "style.safetensors:0.8" beside a table."""
    if not isinstance(value, str | Path):
        return value
    file, _, weight = str(value).rpartition(":")
    try:
        return {"file": file, "weight": float(weight)} if file else {"file": value}
    except ValueError:
        return {"file": value}


class LoraUse(Part):
    """A file of changes to the model's weights, also written FILE:WEIGHT."""

    file: PortablePath
    """The LoRA file, of any kind and naming, or a hypernetwork."""
    weight: float = Field(default=1.0, ge=-100.0, le=100.0)
    """How strongly it acts; 0 not at all."""
    text_weight: float | None = Field(default=None, ge=-100.0, le=100.0)
    """How strongly it acts in text encoders, where that differs."""
    blocks: tuple[float, ...] | dict[str, float] | None = None
    """Factors by block of the network: by name (IN04, M00, OUT03, BASE), or all of them in order."""
    lenient: bool = False
    """Use what fits of a file that does not fit as a whole."""
    start: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the run at which it begins to act in the network that removes the noise."""
    end: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of the run at which it stops."""
    curve: tuple[tuple[float, float], ...] = ()
    """Points of a line, each a share of the run and the factor that its weight has there."""
    named: str | None = None
    """What the prompt calls it, such as lora:style, if the prompt names it; filled in when it is found."""
    sha256: str | None = None
    """The file's hash; a file that differs is refused."""
    applied: int | None = None
    """How many of its modules are used, filled in when it was."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        return _from_file(value)

    @model_validator(mode="after")
    def _in_order(self) -> "LoraUse":
        shares = [share for share, _ in self.curve]
        if self.start > self.end or shares != sorted(set(shares)):
            raise ValueError("start must not come after end, and a curve's shares must rise")
        return self


class EmbeddingUse(Part):
    """A file of new words for prompts (textual inversion)."""

    file: PortablePath
    """The file; its name without the ending is the word."""
    sha256: str | None = None
    """The file's hash; a file that differs is refused."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        return {"file": value} if isinstance(value, str | Path) else value


class ImagePrompt(Part):
    """Pictures that say what to paint, beside the words; also written IMAGE or IMAGE:WEIGHT."""

    images: tuple[PortablePath, ...] = Field(min_length=1)
    """Picture files, or embeddings already made (.npy, .safetensors)."""
    adapter: PortablePath | None = None
    """An IP-Adapter file."""
    encoder: PortablePath | None = None
    """The CLIP image encoder that the adapter was made with."""
    weight: float = Field(default=1.0, ge=-10.0, le=10.0)
    """How strongly they act; 0 not at all."""
    start: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the run at which they begin to act."""
    end: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of the run at which they stop."""
    takes: Literal["all", "style", "composition"] = "all"
    """What is taken of them: which blocks of the network look at them."""
    blocks: tuple[float, ...] | dict[str, float] | None = None
    """Factors by block of the network: by name (IN04, M00, OUT03), or all of them in order."""
    noise: Share = 0.0
    """How freely a model made for pictures (unCLIP) follows them: 0 closely, 1 hardly."""
    combine: Literal["concat", "average"] = "concat"
    """Whether several pictures are looked at side by side, or as their mean."""
    mask: PortablePath | None = None
    """A picture that is white where they act; everywhere unless given."""
    sha256: dict[str, str] = Field(default_factory=dict[str, str])
    """Hashes of these files by their paths; a file that differs is refused."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        if not isinstance(value, str | Path):
            return value
        found = cast(dict[str, object], _from_file(value))
        return {"images": (found["file"],), **{key: found[key] for key in found if key != "file"}}

    @model_validator(mode="after")
    def _in_order(self) -> "ImagePrompt":
        if self.start > self.end:
            raise ValueError("start must not come after end")
        return self

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that it names."""
        return (*self.images, *(each for each in (self.adapter, self.encoder, self.mask) if each is not None))


class ControlUse(Part):
    """A control model with the picture it is shown, also written MODEL:PICTURE or MODEL:PICTURE:WEIGHT."""

    model: PortablePath
    """The control model's file, of any kind and naming."""
    image: PortablePath | None = None
    """The picture it is shown; unless given, the picture that is painted into."""
    weight: float = Field(default=1.0, ge=-10.0, le=10.0)
    """How strongly it acts; 0 not at all."""
    start: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the run's steps after which it begins to act."""
    end: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of the run's steps after which it stops."""
    mode: Literal["balanced", "prompt", "control"] = "balanced"
    """What is more important; "prompt" acts less in the finer layers, "control" also on the prompt alone."""
    layers: tuple[float, ...] | None = None
    """A factor for each tensor that it adds, from the finest to the middle, instead of the mode's."""
    region: PortablePath | None = None
    """A picture of where it acts: white fully, black not at all."""
    kind: str | None = None
    """What the picture shows, for models that were trained for several: depth, canny, repaint …"""
    annotator: str | None = None
    """What is made of the picture before it is shown, such as canny; unless given, nothing."""
    annotator_file: PortablePath | None = None
    """Or the network, an ONNX file, that makes it."""
    annotator_sha256: str | None = None
    """That file's hash; a file that differs is refused."""
    annotator_options: dict[str, OptionValue] = Field(default_factory=dict[str, OptionValue])
    """The annotator's own settings by name."""
    resize: Literal["crop", "fill", "stretch"] = "crop"
    """How pictures of another size are fitted: cut to the aspect, whole with a border, or stretched."""
    pooled: bool | None = None
    """Show only what is alike all over the picture, as models for shuffled pictures need."""
    sha256: str | None = None
    """The model file's hash; a file that differs is refused."""
    image_sha256: str | None = None
    """The picture file's hash; a file that differs is refused."""
    region_sha256: str | None = None
    """The region file's hash; a file that differs is refused."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return {"model": value} if isinstance(value, Path) else value
        found = _from_file(value)
        if isinstance(found, dict) and "weight" in found:
            model, _, image = str(cast(dict[str, object], found)["file"]).rpartition(":")
            return {"model": model or image, "image": image if model else None, "weight": found["weight"]}
        model, _, image = value.rpartition(":")
        return {"model": model, "image": image} if model else {"model": value}

    @model_validator(mode="after")
    def _in_order(self) -> "ControlUse":
        if self.start > self.end:
            raise ValueError(f"start must not lie after end, however: {self.start} and {self.end}")
        if self.annotator is not None and self.annotator_file is not None:
            raise ValueError("an annotator must have a name or a file, however: it has both")
        return self
