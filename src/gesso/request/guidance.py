"""How the estimates are guided, and where they count: everything beyond prompt, negative and scale."""

from typing import Literal

from pydantic import Field, model_validator

from gesso.request.parts import Interval, Part, PortablePath, Share, Size

__all__ = [
    "Blend",
    "FreeUShape",
    "GuidanceShape",
    "Perturbation",
    "Projection",
    "Region",
    "Threshold",
    "Variation",
    "Windows",
]


class Projection(Part):
    """Adaptive projected guidance (Sadat et al. 2024): strong guidance without loud colours."""

    eta: Share = 0.0
    """Share kept of what guidance adds along the estimate itself."""
    norm: float = Field(default=15.0, ge=0.0)
    """Longest guidance, in latents' units; 0 allows any."""
    momentum: float = Field(default=-0.5, gt=-1.0, lt=1.0)
    """Of the guidance from step to step; negative values push away from past directions."""


class Threshold(Part):
    """Dynamic thresholding: a strong scale with the range of a weaker one."""

    mimic: float = Field(default=7.0, ge=1.0)
    """The weaker scale."""
    percentile: float = Field(default=1.0, gt=0.0, le=1.0)
    """Share of values that must lie within its range; the others are cut off."""


class Perturbation(Part):
    """An estimate with part of the self-attention disturbed, to push away from (PAG; with a blur, SEG)."""

    scale: float = Field(default=3.0, ge=0.0)
    """How far to push."""
    blur: float | None = Field(default=None, gt=0.0)
    """Blur queries by so many tokens (SEG), inf for their mean; unless given, tokens see themselves (PAG)."""
    layers: tuple[str, ...] = ("M00",)
    """Blocks whose self-attention is disturbed: IN00…, M00, OUT00…"""
    interval: Interval = (0.0, 1.0)
    """Only between these shares of the run."""


class FreeUShape(Part):
    """FreeU (Si et al. 2023): factors for the two widest sizes of the network's way up."""

    backbone: tuple[float, float] = (1.3, 1.4)
    """Of what comes from below."""
    skip: tuple[float, float] = (0.9, 0.2)
    """Of the low frequencies of what comes from the side."""
    version: Literal[1, 2] = 2
    """1 multiplies evenly, 2 by how active each place is."""


class GuidanceShape(Part):
    """How classifier-free guidance is applied beyond its scale."""

    rescale: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of the contrast brought back to the prompted estimate's (Lin et al. 2023); 0 is off."""
    interval: tuple[float, float] = (0.0, 1.0)
    """Guide only between these shares of the run (Kynkäänniemi et al. 2024); outside it scale is 1."""
    manifold: bool = False
    """CFG++ (Chung et al. 2024): cfg is then from 0 to 1; for samplers of one call a step."""
    alternate_below: float = Field(default=0.0, ge=0.0)
    """Below this noise level, guide at every other step only."""
    picture: float | None = Field(default=None, ge=0.0)
    """How far an instruct model follows the picture that it changes (Brooks et al. 2022); 1.5 is theirs."""
    projection: Projection | None = None
    """Adaptive projected guidance."""
    perpendicular: float | None = Field(default=None, ge=0.0)
    """Weight of the part of the negative at a right angle to the prompt (perp-neg); the rest is dropped."""
    threshold: Threshold | None = None
    """Dynamic thresholding."""
    perturbation: Perturbation | None = None
    """Perturbed-attention guidance."""
    self_attention: float = Field(default=0.0, ge=0.0)
    """Scale of self-attention guidance (Hong et al. 2023); costs another evaluation a step."""
    free_u: FreeUShape | None = None
    """FreeU."""


class Region(Part):
    """A part of the picture with words of its own."""

    prompt: str
    """What to paint there."""
    box: tuple[Share, Share, Share, Share] | None = None
    """Left, top, right and bottom as shares of the picture."""
    mask: PortablePath | None = None
    """Or a picture whose light parts are the region, stretched to the size."""
    sha256: str | None = None
    """The mask's hash; a file that differs is refused."""
    weight: float = Field(default=1.0, gt=0.0)
    """Against other regions at the same place."""

    @model_validator(mode="after")
    def _one_shape(self) -> "Region":
        if (self.box is None) == (self.mask is None):
            raise ValueError("a region must have a box or a mask, however: it has both or neither")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError(f"a box must be left, top, right, bottom, however: {self.box}")
        return self


class Windows(Part):
    """Denoise in overlapping windows (MultiDiffusion), for pictures larger than the model was made for."""

    size: Size | None = None
    """Width x height of a window in pixels; the model's own size unless given."""
    overlap: int = Field(default=128, ge=8)
    """Pixels that neighbouring windows share at least."""


class Blend(Part):
    """The prompt on its way to other words."""

    prompt: str
    """The other words."""
    share: Share = 0.5
    """How far on the way: 0 is the request's own prompt, 1 the other."""


class Variation(Part):
    """First noise on the way from one seed to another."""

    seed: int = Field(ge=0, lt=2**64)
    """The other seed."""
    strength: Share = 0.2
    """How far on the way: 0 is the request's own seed, 1 the other."""
