"""The Request: everything that decides the pixels, apart from the model file.

The command line, Python and HTTP are three ways to fill in the same Request. `None` means "the model's own
choice"; the plan replaces every None, and that resolved request is what a picture carries.
"""

import json
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import BeforeValidator, Field, model_validator

from gesso.request.guidance import GuidanceShape, Region, Variation, Windows
from gesso.request.parts import Part, PortablePath, Share, Shown, Size
from gesso.request.reference import Reference

__all__ = [
    "ControlUse",
    "EmbeddingUse",
    "Extend",
    "Growth",
    "ImagePrompt",
    "LoraUse",
    "Mask",
    "MicroConditions",
    "OptionValue",
    "Refiner",
    "Request",
    "Source",
]


def _read_option(value: object) -> object:
    """Numbers and truth values written as text, as a command line gives them."""
    if isinstance(value, str):
        try:
            return cast(object, json.loads(value.lower()))
        except ValueError:
            return value
    return value


OptionValue = Annotated[bool | int | float | str, BeforeValidator(_read_option)]


class Mask(Part):
    """Which pixels of the source are painted anew."""

    image: PortablePath | None = None
    """The mask's picture file, as large as the source; unless given, the source's own transparency."""
    sha256: str | None = None
    """The mask file's hash; a file that differs is refused."""
    paint: Literal["white", "black", "transparent", "opaque"] = "white"
    """Which of the mask's pixels mean "paint"; greys between mean a part of it."""
    grow: int = Field(default=0, ge=-1024, le=1024)
    """Pixels by which the mask is grown, or shrunk below 0, before anything else."""
    blur: float = Field(default=0.0, ge=0.0, le=256.0)
    """Standard deviation in pixels of a blur that softens the mask to both sides."""
    feather: int = Field(default=8, ge=0, le=1024)
    """Pixels over which the painting fades in, inwards from the mask's edge."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        return {"image": value} if isinstance(value, str | Path) else value


Growth = Annotated[int, Field(ge=0, le=16384)]


class Extend(Part):
    """How far the canvas is grown beyond the source, in pixels."""

    left: Growth = 0
    """Pixels to the left."""
    up: Growth = 0
    """Pixels above."""
    right: Growth = 0
    """Pixels to the right."""
    down: Growth = 0
    """Pixels below."""
    overlap: int = Field(default=0, ge=0, le=1024)
    """Pixels of the source, next to the new border, that may be painted too; 0 keeps every one."""


class Source(Part):
    """A picture to start from (img2img), to paint into (inpaint) or to paint around (outpaint)."""

    image: PortablePath
    """The picture file."""
    sha256: str | None = None
    """The file's hash; a file that differs is refused."""
    strength: float = Field(default=0.75, gt=0.0, le=1.0)
    """How much is painted anew: the share of the steps that run. 1 keeps nothing but the size."""
    mask: Mask | None = None
    """Which pixels are painted anew; the others keep their bytes. Unless given, all of them."""
    extend: Extend | None = None
    """How far the canvas is grown."""
    fill: Literal["original", "neighbour", "patch", "blur", "noise", "nothing"] = "original"
    """What painting starts from: what is there, what surrounds it, pieces that look alike, a blur, random
    or empty latents."""
    soft: Literal["strength", "blend"] = "strength"
    """What greys in a mask mean: painted anew to that share, or mixed in by that share."""
    only_masked: bool = False
    """Paint a cutting around the mask at the model's own size, instead of the whole picture."""
    padding: int = Field(default=32, ge=0, le=4096)
    """Pixels around the mask that such a cutting shows beside it."""
    match: Literal["smooth", "ring", "none"] = "smooth"
    """How the painting's colours are fitted to what is kept: along the seam, by mean and spread, or not."""
    hold: bool = True
    """Hold what is kept at every step. Models made for inpainting also work without."""

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: object) -> object:
        return {"image": value} if isinstance(value, str | Path) else value


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
        return self


class MicroConditions(Part):
    """What SDXL is told about the size, crop and quality of its training pictures."""

    original_size: Size | None = None
    """Size of the imagined original, width x height; the picture's size unless given."""
    crop: tuple[int, int] = (0, 0)
    """Left and top of the imagined crop, pixels."""
    target_size: Size | None = None
    """Size of the imagined target, width x height; the picture's size unless given."""
    aesthetic: float = 6.0
    """The refiner's aesthetic score for the prompt, about 1 to 10."""
    negative_aesthetic: float = 2.5
    """The refiner's aesthetic score for the negative prompt."""


class Request(Part):
    """One ask for pictures."""

    prompt: str = ""
    """What to paint. `(word:1.2)` weighs, `BREAK` starts a new window of tokens."""
    negative: str = ""
    """What to keep away from."""
    dialect: Literal["a1111", "comfy", "compel", "plain"] = "a1111"
    """How prompt and negative are written."""
    emphasis: Literal["original", "no_norm", "interpolate", "remove", "ignore"] | None = None
    """How weights act on words; the dialect's own way unless given."""
    styles: tuple[str, ...] = ()
    """Names of styles that are applied to prompt and negative."""
    styles_file: PortablePath | None = None
    """The CSV file of styles, with the columns name, prompt and negative_prompt."""
    wildcards: PortablePath | None = None
    """Folder in which `__name__` in a prompt finds name.txt."""
    library: PortablePath | None = None
    """Folder in which the prompt's `<lora:name>` and bare names of embeddings find their files."""
    size: Size | None = None
    """Width x height in pixels, multiples of 8."""
    seed: int | None = Field(default=None, ge=0, lt=2**64)
    """Seed of the first picture; picture i has seed + i. Drawn at random unless given."""
    count: int = Field(default=1, ge=1, le=1000)
    """How many pictures."""
    steps: int | None = Field(default=None, ge=1, le=1000)
    """Planned denoising steps."""
    sampler: str | None = None
    """How the noise is removed, such as euler or dpmpp_2m."""
    schedule: str | None = None
    """Which noise levels are visited, such as karras or normal."""
    cfg: float | None = Field(default=None, ge=0.0, le=100.0)
    """Classifier-free guidance scale; 1 follows the prompt alone at half the cost."""
    sampler_options: dict[str, OptionValue] = Field(default_factory=dict[str, OptionValue])
    """The sampler's own settings by name, such as eta or churn."""
    sigmas: tuple[float, ...] | None = None
    """An explicit list of falling noise levels, instead of schedule and steps."""
    clip_skip: int | None = Field(default=None, ge=1, le=24)
    """Which layer of the text encoder from its end is used; 1 is the last."""
    noise: Literal["cpu", "cuda"] = "cpu"
    """Which random stream: the CPU's, or the one CUDA devices draw (computed on any device)."""
    guidance: GuidanceShape = GuidanceShape()
    """How guidance is applied beyond its scale."""
    micro: MicroConditions = MicroConditions()
    """SDXL's size, crop and quality conditions."""
    regions: tuple[Region, ...] = ()
    """Parts of the picture with words of their own; the prompt is what they share."""
    regions_base: Share = 0.2
    """Share of the prompt itself where there are regions; elsewhere it is alone."""
    windows: Windows | None = None
    """Denoise in overlapping windows."""
    seamless: Literal["x", "y", "both"] | None = None
    """Wrap the picture around, so that it can be tiled sideways (x), up and down (y), or both."""
    variation: Variation | None = None
    """First noise on the way to another seed's."""
    noise_size: Size | None = None
    """Draw the first noise as for a picture of this size, put in the middle, to keep its composition."""
    source: Source | None = None
    """A picture to start from."""
    depth: Shown | None = None
    """A picture of depth, light is near, for a model that is told by one."""
    reference: Reference | None = None
    """A picture whose looks are taken over, without any further model."""
    refiner: Refiner | None = None
    """A second model that takes over near the end."""
    loras: tuple[LoraUse, ...] = ()
    """Files of changes to the model's weights, each FILE or FILE:WEIGHT."""
    embeddings: tuple[EmbeddingUse, ...] = ()
    """Files of new words; each word is its file's name without the ending."""
    image_prompts: tuple[ImagePrompt, ...] = ()
    """Pictures that say what to paint, each IMAGE or IMAGE:WEIGHT."""
    controls: tuple[ControlUse, ...] = ()
    """Control models with their pictures, each MODEL:PICTURE, MODEL:PICTURE:WEIGHT or a table."""
