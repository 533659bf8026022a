"""Denoisers in closed form, noise that is known beforehand, and walks that others have recorded."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

MEAN, STD = 0.3, 0.7


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """The best estimate of the clean picture when pictures are N(MEAN, STD²) in every element."""
    return (STD**2 * x + sigma**2 * MEAN) / (STD**2 + sigma**2)


def gaussian_path(x: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """Where the exact ODE of `gaussian` leads from one noise level to another."""
    return MEAN + (x - MEAN) * math.sqrt((STD**2 + sigma_next**2) / (STD**2 + sigma**2))


def consistency(x: Tensor, sigma: float) -> Tensor:
    """Where the exact ODE of `gaussian` ends: what a perfectly distilled model names."""
    return gaussian_path(x, sigma, 0.0)


def mixture(x: Tensor, sigma: float) -> Tensor:
    """The best estimate when pictures are N(±1, 0.2²): not linear in x."""
    variance = 0.04 + sigma**2
    side = torch.tanh(x / variance)
    return (0.04 * x + sigma**2 * side) / variance


class Replayed:
    """Noise from a list, in order."""

    def __init__(self, noises: Iterable[Tensor]) -> None:
        self._left = iter(noises)

    def draw(self) -> Tensor:
        return next(self._left)

    def between(self, sigma: float, sigma_next: float) -> Tensor:
        assert sigma > sigma_next
        return next(self._left)


class Forbidden:
    """Noise that nothing may ask for."""

    def draw(self) -> Tensor:
        raise AssertionError("drew noise")

    def between(self, sigma: float, sigma_next: float) -> Tensor:
        raise AssertionError(f"asked for noise from {sigma} to {sigma_next}")


def last(steps: Iterator[object]) -> Tensor:
    """The answer of a sampler."""
    *_, step = steps
    return step.x


def karras(high: float, low: float, steps: int) -> tuple[float, ...]:
    """EDM's levels from high to low, both included, without a 0 at the end."""
    ends = high ** (1 / 7), low ** (1 / 7)
    inner = ((ends[0] + (ends[1] - ends[0]) * i / steps) ** 7 for i in range(1, steps))
    return (high, *inner, low)


def order(
    walk: Callable[[tuple[float, ...]], Tensor], exact: Tensor, levels: Sequence[Sequence[float]]
) -> float:
    """How fast the error falls with the number of steps, at its slowest."""
    errors = [(walk(tuple(each)) - exact).abs().max().item() for each in levels]
    assert errors[-1] > 1e-12
    return min(math.log2(one / two) for one, two in itertools.pairwise(errors))


def references() -> Mapping[str, Tensor]:
    """What k-diffusion and diffusers made of `mixture`; see tests/references/record_sampling.py."""
    return load_file(Path(__file__).parents[1] / "references" / "sampling.safetensors")


def distance(x: Tensor, reference: Tensor) -> float:
    """The largest difference as a share of the reference's largest value."""
    return ((x - reference).abs().max() / reference.abs().max()).item()
