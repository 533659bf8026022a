"""Shortcuts: work that is left out, for other pixels at less cost."""

from pydantic import Field, model_validator

from gesso.request.parts import Part

__all__ = ["Caching", "Shortcuts"]


class Caching(Part):
    """What the inner blocks of the network made is used again in later steps; the outer ones run in each."""

    every: int | None = Field(default=None, ge=1)
    """The inner blocks run in every so many steps (DeepCache, Ma et al. 2023); 1 is every step."""
    threshold: float | None = Field(default=None, ge=0.0)
    """Or they run once what they are given has changed by more than this share (first-block cache)."""
    depth: int = Field(default=2, ge=1)
    """How many blocks on the way down, and as many on the way up, are outer ones."""

    @model_validator(mode="after")
    def _one_rule(self) -> "Caching":
        if (self.every is None) == (self.threshold is None):
            raise ValueError("caching must say every or threshold, however: it says both or neither")
        return self


class Shortcuts(Part):
    """Work that is left out: never unless asked, and always told in the picture's record."""

    caching: Caching | None = None
    """Inner blocks that do not run in every step."""
    token_merging: float = Field(default=0.0, ge=0.0, le=0.75)
    """Share of the largest map's tokens that others look for (ToMe, Bolya & Hoffman 2023)."""
