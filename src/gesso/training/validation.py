"""Validation: the loss on pictures that are never learnt, at noises and times that never change."""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gesso.training.data.album import Album
from gesso.training.data.audit import Entry
from gesso.training.lesson import Lesson
from gesso.training.recipe import TimeRules, Training
from gesso.training.sharding import lies_in_parts

__all__ = ["Validated", "standing_in", "validated"]


@dataclass(frozen=True)
class Validated:
    """The losses on pictures that are not learnt.

    Args:
        step: steps done.
        bands: mean loss of each band of noise levels, the least noisy first.
    """

    step: int
    bands: tuple[float, ...]

    @property
    def loss(self) -> float:
        """The mean of the bands."""
        return sum(self.bands) / len(self.bands)


@torch.no_grad()
def validated(
    step: int, entries: Sequence[Entry], album: Album, lesson: Lesson, recipe: Training
) -> Validated:
    """Measure.

    The same weights give the same numbers, whatever is learnt, in whatever order: each noise comes from its
    picture's bytes, and each picture is shown alone.
    """
    chosen = sorted(entries, key=lambda each: each.digest)[: recipe.validation.most]
    bands = [
        torch.stack([_loss(each, band, album, lesson, recipe) for each in chosen]).double().mean()
        for band in range(recipe.validation.bands)
    ]
    return Validated(step, tuple(float(band) for band in bands))


def _loss(entry: Entry, band: int, album: Album, lesson: Lesson, recipe: Training) -> Tensor:
    """Of one picture in one band."""
    batch = album.shown([(entry, entry.views[0], entry.caption)])
    found: list[Tensor] = []
    for draw in range(recipe.validation.draws):
        seed = hashlib.sha256(f"{entry.digest} {band} {draw}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(seed[:7], "big"))
        noised = lesson.draws(batch, generator, _times(recipe, band))
        found.append(lesson.losses(batch, noised).mean())
    return torch.stack(found).mean()


def _times(recipe: Training, band: int) -> TimeRules:
    """The band's own times, all alike."""
    bands = recipe.validation.bands
    return TimeRules(first=1000 * band // bands, last=1000 * (band + 1) // bands - 1)


@contextmanager
def standing_in(module: nn.Module, weights: Mapping[str, Tensor]) -> Generator[None]:
    """Other values in a module's parameters while the block runs; only those in parts are copied."""
    named = dict(module.named_parameters())
    before = {
        name: each.detach().clone() if lies_in_parts(each) else each.data for name, each in named.items()
    }
    try:
        _put(named, weights)
        yield
    finally:
        _put(named, before)


@torch.no_grad()
def _put(named: Mapping[str, nn.Parameter], values: Mapping[str, Tensor]) -> None:
    for name, each in named.items():
        if lies_in_parts(each):
            # the process knows its part by where it lies
            each.copy_(values[name])
        else:
            each.data = values[name].to(each.dtype)
