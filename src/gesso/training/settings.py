"""What decides a training run, as plain data."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["TrainingSettings"]


NARROW = frozenset({"adamw8bit", "adamw4bit", "pagedadamw", "pagedadamw8bit"})
"""Optimizers that keep little of their state, or keep it elsewhere."""

TENSORWISE = NARROW | {"adamw", "sgd", "adafactor", "lion"}
"""Optimizers that move a tensor by its own gradient and nothing else."""

SHARDED = frozenset({"adamw", "sgd"})
"""Optimizers that move tensors that lie in parts."""


class TrainingSettings(BaseModel):
    """How long, how fast and how often; the data and the loss are given apart.

    `steps` may be changed when a run is resumed, as long as the fall of the learning rate has not begun.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    steps: int = Field(gt=0)
    """Optimizer steps of the whole run."""
    accumulate: int = Field(default=1, gt=0)
    """Batches whose gradients are averaged into one step."""
    rate: float = Field(default=1e-4, gt=0)
    """Highest learning rate."""
    warmup: int = Field(default=100, ge=0)
    """Steps over which the rate rises from 0."""
    fall: float = Field(default=0.4, ge=0, le=1)
    """Share of the run, at its end, over which the rate falls to 0 along half a cosine."""
    text_rate: float | None = Field(default=None, gt=0)
    """Highest learning rate of text encoders, where that differs."""
    optimizer: str = "adamw"
    """adamw, sgd, adafactor; with the extra `train` adamw8bit, adamw4bit, or a name that pytorch-optimizer
    knows; with bitsandbytes on CUDA pagedadamw, pagedadamw8bit."""
    betas: tuple[float, float] = (0.9, 0.99)
    """The optimizer's memory of gradients and of their squares."""
    weight_decay: float = Field(default=0.01, ge=0)
    """The optimizer's pull towards 0, per unit of learning rate."""
    options: dict[str, float | bool | str] = Field(default_factory=dict[str, float | bool | str])
    """Further options of the optimizer, by its own names."""
    clip: float = Field(default=1.0, gt=0)
    """Longest gradient; longer ones are shortened to it."""
    fused_backward: bool = False
    """Each tensor moves as soon as its gradient is there, so that gradients take no memory; `clip` is then
    the longest gradient of a single tensor."""
    weights: Literal["float32", "bfloat16"] = "float32"
    """What networks that are trained whole are kept in; bfloat16, rounded by chance, takes half."""
    shard: bool = False
    """Each of several processes keeps only its share of networks that are trained whole (FSDP)."""
    average: float = Field(default=0.999, ge=0, lt=1)
    """How much of the averaged weights is kept each step; 0 averages nothing."""
    widths: tuple[Annotated[float, Field(ge=0.01, le=0.25)], ...] = ()
    """Averages over these shares of the run are kept beside; others can be made of them after it."""
    seed: int = 0
    """Decides every random number of the run, together with the step."""
    save_every: int = Field(default=500, gt=0)
    """Steps between saved states; with each go the files, the validation and the previews."""
    keep: int = Field(default=1, gt=0)
    """So many saved states are kept, the newest."""
    report_every: int = Field(default=50, gt=0)
    """Steps between reports."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.fused_backward and self.accumulate > 1:
            raise ValueError(
                "fused_backward must come with accumulate = 1, since each gradient is used at once, "
                f"however: {self.accumulate}"
            )
        if self.fused_backward and self.optimizer not in TENSORWISE:
            raise ValueError(
                f"fused_backward must come with an optimizer that moves each tensor by itself "
                f"({', '.join(sorted(TENSORWISE))}), however: {self.optimizer}"
            )
        if self.shard and (self.fused_backward or self.optimizer not in SHARDED):
            raise ValueError(
                f"shard must come with {' or '.join(sorted(SHARDED))} and without fused_backward, however: "
                f"{self.optimizer}{' with fused_backward' if self.fused_backward else ''}"
            )
        if self.shard and self.widths:
            raise ValueError(f"widths must come without shard, however: {self.widths}")
        if self.weights != "float32" and not self.fused_backward:
            raise ValueError(f"weights = {self.weights} must come with fused_backward, however: it is off")
        return self
