"""A reference: a picture that the network looks at while it paints, without any further model."""

from typing import Literal

from pydantic import Field, model_validator

from gesso.request.parts import Share, Shown

__all__ = ["Reference"]


class Reference(Shown):
    """A picture whose looks are taken over (reference-only); also written as its path."""

    takes: Literal["attention", "adain", "both"] = "attention"
    """What is taken over: what attention sees, the maps' means and spreads, or both."""
    weight: float = Field(default=1.0, ge=0.0, le=2.0)
    """How much of the network, its widest layers first: 0 none, 1 all attention, 2 all maps."""
    fidelity: Share = 0.5
    """How far the negative stays without it: 1 follows the reference most, 0 leaves more to the prompt."""
    start: Share = 0.0
    """Share of the run's steps after which it begins to act."""
    end: Share = 1.0
    """Share of the run's steps after which it stops."""

    @model_validator(mode="after")
    def _in_order(self) -> "Reference":
        if self.start > self.end:
            raise ValueError(f"start must not lie after end, however: {self.start} and {self.end}")
        return self
