"""The FollowUp: what is done to a picture once it is painted, as a request over it."""

from typing import cast

from pydantic import Field, model_validator

from gesso.request.guidance import GuidanceShape, Windows
from gesso.request.parts import OptionValue, Part, PortablePath, Size
from gesso.request.source import Source
from gesso.request.uses import ControlUse, EmbeddingUse, ImagePrompt, LoraUse

__all__ = ["FollowUp"]


class FollowUp(Part):
    """A request over the picture before; what it leaves open is as in the request that it follows on.

    Fields of its source may stand beside its own: {"by": 2, "strength": 0.4, "steps": 12}.
    """

    source: Source = Source(strength=0.5)
    """How the picture before is brought to its size, and what of it is painted anew."""
    size: Size | None = None
    """Width x height in pixels; unless given, source.by decides, and without that it stays."""
    model: PortablePath | None = None
    """Another checkpoint file; the request's refiner does not go with it."""
    model_sha256: str | None = None
    """That file's hash; a file that differs is refused."""
    prompt: str | None = None
    """What to paint."""
    negative: str | None = None
    """What to keep away from."""
    seed: int | None = Field(default=None, ge=0, lt=2**64)
    """Seed of the first picture; unless given, other noise of the request's own seed."""
    steps: int | None = Field(default=None, ge=1, le=1000)
    """Planned denoising steps, of which the source's strength is the share that runs."""
    sampler: str | None = None
    """How the noise is removed."""
    schedule: str | None = None
    """Which noise levels are visited."""
    cfg: float | None = Field(default=None, ge=0.0, le=100.0)
    """Classifier-free guidance scale."""
    sampler_options: dict[str, OptionValue] | None = None
    """The sampler's own settings by name."""
    clip_skip: int | None = Field(default=None, ge=1, le=24)
    """Which layer of the text encoder from its end is used."""
    guidance: GuidanceShape | None = None
    """How guidance is applied beyond its scale."""
    windows: Windows | None = None
    """Denoise in overlapping windows."""
    loras: tuple[LoraUse, ...] | None = None
    """Files of changes to the model's weights."""
    embeddings: tuple[EmbeddingUse, ...] | None = None
    """Files of new words."""
    image_prompts: tuple[ImagePrompt, ...] | None = None
    """Pictures that say what to paint."""
    controls: tuple[ControlUse, ...] | None = None
    """Control models with their pictures."""

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, value: object) -> object:
        """Put the source's fields where they belong."""
        if not isinstance(value, dict):
            return value
        told = cast(dict[str, object], value)
        own = {name: told[name] for name in told if name in cls.model_fields}
        source = own.get("source", {})
        if not isinstance(source, dict):
            return told
        beside = {name: told[name] for name in told if name not in own}
        return {**own, "source": {"strength": 0.5, **cast(dict[str, object], source), **beside}}

    @model_validator(mode="after")
    def _over_the_picture(self) -> "FollowUp":
        if self.source.image is not None:
            raise ValueError(f"a follow-up must be over the picture before, however: {self.source.image}")
        return self
