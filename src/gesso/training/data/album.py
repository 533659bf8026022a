"""The album: pictures that are ready, laid out as batches."""

import random
from collections.abc import Sequence

import torch

from gesso.model import Model
from gesso.networks.autoencoder import Moments
from gesso.training.data.audit import Entry
from gesso.training.data.latents import Latents, Seen
from gesso.training.data.order import Order, Shown
from gesso.training.data.views import View
from gesso.training.data.wordings import drawn
from gesso.training.holes import fills
from gesso.training.lesson import Batch
from gesso.training.loop import Turn
from gesso.training.recipe import Training
from gesso.training.telling import Telling

__all__ = ["Album"]


class Album:
    """Pictures that are learnt from.

    Args:
        entries: of roles train and prior.
        recipe: how captions and batches are drawn.
        latents: where what the autoencoder said is kept.
        telling: cuts captions to what is read.
    """

    def __init__(
        self, entries: Sequence[Entry], recipe: Training, latents: Latents, telling: Telling
    ) -> None:
        self.entries = tuple(entries)
        self.recipe = recipe
        self.latents = latents
        self.telling = telling
        shown = [
            Shown(each.picture.repeats, each.views[0].fit.bucket, each.role == "prior") for each in entries
        ]
        self.order = Order(shown, recipe.batch, recipe.run.seed)

    def batch(self, turn: Turn) -> Batch:
        """The batch of a turn; what is drawn comes from the turn's generator."""
        chance = random.Random(int(torch.randint(2**62, (), generator=turn.generator)))
        rows: list[tuple[Entry, View, str]] = []
        for number in self.order(turn.number):
            entry = self.entries[number]
            caption = drawn(entry.picture.wordings, self.recipe.captions, chance)
            rows.append((entry, chance.choice(entry.views), self.telling.shortened(caption).kept))
        return self.shown(rows)

    def shown(self, rows: Sequence[tuple[Entry, View, str]]) -> Batch:
        """Pictures of one size, each in a view and with a caption."""
        model = self.latents.model
        seen = [self.latents(entry.picture, view, entry.digest) for entry, view, _ in rows]
        pixels = None
        if self.recipe.subject.of_pixels or fills(model):
            pixels = torch.cat([view.pixels(entry.picture.opened()) for entry, view, _ in rows]).to(
                model.device
            )
        return Batch(
            files=tuple(entry.picture.file for entry, _, _ in rows),
            captions=tuple(caption for _, _, caption in rows),
            sizes=tuple(view.sizes for _, view, _ in rows),
            moments=Moments(*(torch.cat(part).to(model.device) for part in _moments(seen))),
            weights=torch.tensor([self._weight(entry) for entry, _, _ in rows], device=model.device),
            mask=_mask(seen, model),
            hints=_hints(seen, model),
            pixels=pixels,
        )

    def _weight(self, entry: Entry) -> float:
        prior = self.recipe.objective.prior if entry.role == "prior" else 1.0
        return entry.picture.kind.weight * prior


def _moments(seen: Sequence[Seen]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    return [each.moments.mean for each in seen], [each.moments.logvar for each in seen]


def _mask(seen: Sequence[Seen], model: Model) -> torch.Tensor | None:
    """Of all rows, where any has one."""
    if all(each.mask is None for each in seen):
        return None
    whole = torch.ones_like(seen[0].moments.mean[:, :1])
    return torch.cat([whole if each.mask is None else each.mask for each in seen]).to(model.device)


def _hints(seen: Sequence[Seen], model: Model) -> torch.Tensor | None:
    hints = [each.hint for each in seen if each.hint is not None]
    return torch.cat(hints).to(model.device) if len(hints) == len(seen) else None
