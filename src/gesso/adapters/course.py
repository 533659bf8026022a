"""A course: how strongly an adapter acts from step to step of a run."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

from gesso.denoiser import Call
from gesso.model import Model
from gesso.sampling.levels import Sigmas

__all__ = ["Course", "OverRun", "controlled"]

NEAR = 1.0 + 1e-6
"""Noise levels this close are the same one."""


@dataclass(frozen=True)
class Course:
    """How strongly something acts over a run, as a factor.

    Args:
        start: share of the run from which it acts.
        end: share of the run up to which, without it, it acts.
        points: shares and factors, rising; straight lines between them, level outside; 1 without points.
    """

    start: float = 0.0
    end: float = 1.0
    points: tuple[tuple[float, float], ...] = ()

    @property
    def constant(self) -> bool:
        """Whether it is 1 all along."""
        return not self.points and (self.start, self.end) == (0.0, 1.0)

    def __call__(self, share: float) -> float:
        """The factor at a share of the run."""
        if not self.start <= share < self.end:
            return 0.0
        if not self.points:
            return 1.0
        for (left, low), (right, high) in pairwise(self.points):
            if left <= share < right:
                return low + (high - low) * (share - left) / (right - left)
        return self.points[0][1] if share < self.points[0][0] else self.points[-1][1]


class Ready(Protocol):
    """An adapter made ready for one model."""

    def on(self, factor: float = 1.0) -> AbstractContextManager[None]:
        """On the model while the block runs, its strength multiplied; at 0 nothing is done at all."""
        ...


@dataclass(frozen=True)
class OverRun:
    """A control that has an adapter on while the network is called, as strongly as its course says.

    Args:
        sigmas: of the whole run; step i of n has the share i / n.
    """

    prepared: Ready
    course: Course
    sigmas: Sigmas

    @contextmanager
    def during(self, call: Call) -> Generator[None]:
        """On for one call."""
        steps = len(self.sigmas) - 1
        step = sum(sigma > call.sigma * NEAR for sigma in self.sigmas[:-1])
        with self.prepared.on(self.course(step / max(1, steps))):
            yield None


@contextmanager
def controlled(model: Model, control: OverRun) -> Generator[None]:
    """A control at work in a model while the block runs."""
    before = model.denoiser
    model.denoiser = replace(before, controls=(*before.controls, control))
    try:
        yield
    finally:
        model.denoiser = before
