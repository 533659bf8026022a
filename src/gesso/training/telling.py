"""Telling: the captions and sizes of a batch as a model is told of them, in training as in painting."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch

from gesso.conditioning.conditioning import Conditioning, cat
from gesso.conditioning.dialects import parse
from gesso.conditioning.encode import Encoded, Manner, Reader, Tower
from gesso.conditioning.prompt import Told, timeline
from gesso.conditioning.sizes import Sizes
from gesso.conditioning.tokens import runs
from gesso.generation.conditions import conditioning, tower
from gesso.model import Model
from gesso.training.data.store import Store, fingerprint

__all__ = ["Shortened", "Telling"]


@dataclass(frozen=True)
class Shortened:
    """A caption as far as a text encoder reads it.

    Args:
        kept: what is read.
        cut: what is not, in words.
        tokens: how many tokens the whole caption has, without marks; the most of any text encoder.
    """

    kept: str
    cut: str
    tokens: int


@dataclass(frozen=True)
class Telling:
    """How one model is told of captions.

    Captions are plain words: their brackets and colons mean nothing.

    Args:
        windows: so many windows of tokens are read at most.
        clip_skip: as in a request.
        store: where what was read is kept; None reads anew each time, as text encoders in training need.
    """

    model: Model
    windows: int = 3
    clip_skip: int | None = None
    store: Store | None = None
    known: dict[str, Encoded] = field(default_factory=dict[str, Encoded])

    def __call__(self, captions: Sequence[str], sizes: Sequence[Sizes]) -> Conditioning:
        """One row for every caption.

        Args:
            captions: "" says nothing at all, as guidance needs it.
            sizes: of each row's picture.
        """
        read = self.encoded(captions)
        return cat([conditioning(self.model, each, size) for each, size in zip(read, sizes, strict=True)])

    def encoded(self, captions: Sequence[str]) -> tuple[Encoded, ...]:
        """What the text encoders make of captions; all are equally long."""
        if self.store is None:
            read = self._read(captions, together=True)
        else:
            read = self._even([self._kept(each) for each in captions])
        silent = self.model.identity.family.zero_empty
        return tuple(
            each.zeroed() if silent and not caption else each
            for each, caption in zip(read, captions, strict=True)
        )

    def shortened(self, caption: str) -> Shortened:
        """As much of a caption as fits, cut between words."""
        towers = [each.windowing for each in self._towers()]

        def length(text: str) -> tuple[int, int]:
            told = _plain(text).shares[0][0]
            each = [runs(told, windowing) for windowing in towers]
            return max(map(len, each)), max(sum(map(len, one)) for one in each)

        tokens, words, count = length(caption)[1], caption.split(" "), caption.count(" ") + 1
        while count and length(" ".join(words[:count]))[0] > self.windows:
            count -= 1
        return Shortened(" ".join(words[:count]), " ".join(words[count:]), tokens)

    def _towers(self) -> list[Tower]:
        return [tower(self.model, part) for part in self.model.identity.text]

    def _read(self, captions: Sequence[str], *, together: bool) -> tuple[Encoded, ...]:
        manner = Manner(clip_skip=self.clip_skip or 1)
        reader = Reader(self._towers(), manner, self.model.device, together=together)
        return reader([_plain(each) for each in captions])

    def _kept(self, caption: str) -> Encoded:
        """What is kept of one caption, by itself."""
        if caption not in self.known:
            assert self.store is not None
            found = self.store.get(
                self._made_of(caption), lambda: _tensors(self._read([caption], together=False)[0])
            )
            self.known[caption] = Encoded(found["context"], found.get("pooled"))
        return self.known[caption]

    def _made_of(self, caption: str) -> object:
        return ["text", self._makers, str(self.model.dtype), self.clip_skip, caption]

    @cached_property
    def _makers(self) -> list[str]:
        return [fingerprint(self.model.networks[part.name]) for part in self.model.identity.text]

    def _even(self, read: Sequence[Encoded]) -> tuple[Encoded, ...]:
        """All as long as the longest, by empty windows, on the model's device."""
        longest, device = max(each.context.shape[1] for each in read), self.model.device
        found: list[Encoded] = []
        for each in read:
            context = each.context
            while context.shape[1] < longest:
                context = torch.cat([context, self._kept("").context], dim=1)
            pooled = None if each.pooled is None else each.pooled.to(device)
            found.append(Encoded(context.to(device), pooled))
        return tuple(found)


def _plain(caption: str) -> Told:
    return timeline(parse(caption, "plain"), 1)[0].told[0]


def _tensors(encoded: Encoded) -> dict[str, torch.Tensor]:
    pooled = {} if encoded.pooled is None else {"pooled": encoded.pooled}
    return {"context": encoded.context, **pooled}
