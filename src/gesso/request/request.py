"""The Request: everything that decides the pixels, apart from the model file.

The command line, Python and HTTP are three ways to fill in the same Request. `None` means "the model's own
choice"; the plan replaces every None, and that resolved request is what a picture carries.
"""

from typing import Literal

from pydantic import Field

from gesso.request.following import FollowUp
from gesso.request.guidance import Blend, GuidanceShape, Region, Variation, Windows
from gesso.request.parts import OptionValue, Part, PortablePath, Seconds, Share, Shown, Size
from gesso.request.reference import Reference
from gesso.request.shortcuts import Shortcuts
from gesso.request.source import Source
from gesso.request.uses import ControlUse, EmbeddingUse, ImagePrompt, LoraUse, Refiner

__all__ = ["MicroConditions", "Request"]


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
    blend: Blend | None = None
    """Other words that the prompt is on its way to."""
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
    shortcuts: Shortcuts = Shortcuts()
    """Work that is left out, for other pixels at less cost."""
    within: Seconds | None = None
    """Seconds to end in, by this machine's measured profile: what is left open is chosen for it."""
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
    then: tuple[FollowUp, ...] = ()
    """What is done to each picture once it is painted, in order."""
