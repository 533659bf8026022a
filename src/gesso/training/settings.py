"""What decides a training run, as plain data."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["TrainingSettings"]


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
    betas: tuple[float, float] = (0.9, 0.99)
    """AdamW's memory of gradients and of their squares."""
    weight_decay: float = Field(default=0.01, ge=0)
    """AdamW's pull towards 0, per unit of learning rate."""
    clip: float = Field(default=1.0, gt=0)
    """Longest gradient; longer ones are shortened to it."""
    average: float = Field(default=0.999, ge=0, lt=1)
    """How much of the averaged weights is kept each step."""
    seed: int = 0
    """Decides every random number of the run, together with the step."""
    save_every: int = Field(default=500, gt=0)
    """Steps between saved states."""
    report_every: int = Field(default=50, gt=0)
    """Steps between reports."""
