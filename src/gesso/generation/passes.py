"""Passes: stretches of denoising, as plain data."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from gesso.guidance.scale import Scale, alternating, constant, manifold, within
from gesso.request import GuidanceShape, Shortcuts
from gesso.sampling.levels import Sigmas
from gesso.sampling.samplers import OptionValue, evaluations

__all__ = ["NEVER", "Pass"]

NEVER = (inf, inf)
"""Noise levels at which nothing happens."""


@dataclass(frozen=True)
class Pass:
    """One stretch of denoising with one model.

    Args:
        model: whose networks do it.
        sigmas: noise levels from first to last.
        sampler: its name.
        options: its settings.
        cfg: guidance scale.
        shape: how guidance is applied beyond its scale.
        guided: noise levels between which guidance is applied.
        disturbed: noise levels between which some attention is disturbed in a row of its own; None for never.
        whole: the noise levels of the whole run.
        estimates: how many estimates each step adds up for the prompt; where it is never more than one, none.
        regions: how many parts of the picture have words of their own.
        referring: noise levels, above the first and up to the second, at which a reference is looked at.
        shortcuts: work that is left out.
    """

    model: Literal["base", "refiner"]
    sigmas: Sigmas
    sampler: str
    options: dict[str, OptionValue]
    cfg: float
    shape: GuidanceShape
    guided: tuple[float, float]
    disturbed: tuple[float, float] | None
    whole: Sigmas
    estimates: tuple[int, ...] = ()
    regions: int = 0
    referring: tuple[float, float] = NEVER
    shortcuts: Shortcuts = field(default_factory=Shortcuts)

    @property
    def steps(self) -> int:
        """Steps of the sampler."""
        return len(self.sigmas) - 1

    def text(self) -> str:
        """The pass for reading."""
        span = f"sigma {self.sigmas[0]:.3f} to {self.sigmas[-1]:.3f}"
        return "; ".join((f"{self.model}: {self.steps} steps of {self.sampler}, {span}", *self._left_out()))

    def _left_out(self) -> Iterator[str]:
        caching, merged = self.shortcuts.caching, self.shortcuts.token_merging
        if caching is not None:
            when = (
                f"changed by {caching.threshold:g}" if caching.every is None else f"{caching.every} steps old"
            )
            yield f"what lies within {caching.depth} blocks is computed again when {when}"
        if merged:
            yield f"{merged:.0%} of the largest map's tokens are merged"

    @property
    def scale(self) -> Scale:
        """How far guidance goes at each noise level."""
        found = manifold(self.cfg, self.whole) if self.shape.manifold else constant(self.cfg)
        if self.shape.alternate_below:
            found = alternating(found, self.shape.alternate_below, self.whole)
        return within(found, self.guided)

    @property
    def calls(self) -> int:
        """Calls of the denoiser."""
        return evaluations(self.sampler, self.sigmas, self.options)

    @property
    def evaluations(self) -> int:
        """Rows of latents the network denoises for one picture; guidance doubles them."""
        return round(self.calls * sum(self._rows(index) for index in range(self.steps)) / max(1, self.steps))

    @property
    def inner_evaluations(self) -> int:
        """Of these rows those for which inner blocks run too: the most where the run is to tell."""
        caching = self.shortcuts.caching
        if caching is None or caching.every is None:
            return self.evaluations
        rows, used, found = [self._rows(step) for step in range(self.steps)], 0, 0
        for before, now in zip([0, *rows], rows, strict=False):
            used = used + 1 if before == now and used + 1 < caching.every else 0
            found += 0 if used else now
        return found

    def _rows(self, step: int) -> int:
        """Rows of latents in each call of a step; a composition always asks for the negative too."""
        sigma = self.sigmas[step]
        count = self.estimates[step] if self.estimates else 1
        apart = self.scale(sigma) != 1.0 or count > 1
        beside = (2 if self.shape.perpendicular is not None else 1) if apart else 0
        disturbed = self.disturbed is not None and self.disturbed[0] <= sigma <= self.disturbed[1]
        blind = apart and self.shape.picture not in {None, 1.0}
        rows = count + self.regions + beside + blind + disturbed + (self.shape.self_attention > 0)
        # the network is shown a reference once for every row
        return 2 * rows if self.referring[0] < sigma <= self.referring[1] else rows
