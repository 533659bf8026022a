"""Scenes turned into tensors: pixels to learn pictures from, tokens and labels to learn words from."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gesso.conditioning.tokenizer import Tokenizer
from studies.emoji.backgrounds import BACKGROUNDS
from studies.emoji.objects import Sprites, things
from studies.emoji.plan import SIDE, TEXT
from studies.emoji.scenes import Scene, caption, draw, paint

WORDINGS = 4  # captions for each cached scene


@dataclass(frozen=True)
class Labels:
    """What scenes show, as numbers."""

    things: Float[Tensor, "b objects"]
    count: Int[Tensor, " b"]
    background: Int[Tensor, " b"]
    size: Int[Tensor, " b"]


@cache
def tokenizer() -> Tokenizer:
    """The first word pieces of CLIP's vocabulary."""
    return Tokenizer(TEXT.vocabulary)


def tokens(texts: list[str]) -> Int[Tensor, "b n"]:
    """Captions as the text encoder reads them: a begin mark, the words, end marks to the end."""
    rows = torch.full((len(texts), TEXT.positions), tokenizer().end)
    for row, text in zip(rows, texts, strict=True):
        ids = (tokenizer().begin, *tokenizer()(text)[: TEXT.positions - 2])
        row[: len(ids)] = torch.tensor(ids)
    return rows


def scenes(count: int, rng: np.random.Generator) -> list[Scene]:
    """Scenes as training shows them."""
    return [draw(rng) for _ in range(count)]


def pixels(drawn: list[Scene], sprites: Sprites, rng: np.random.Generator) -> Float[Tensor, "b 3 s s"]:
    """The scenes painted, -1 to 1."""
    painted = np.stack([paint(scene, sprites, SIDE, rng) for scene in drawn])
    return torch.from_numpy(painted).permute(0, 3, 1, 2).float() / 127.5 - 1


def captions(drawn: list[Scene], rng: np.random.Generator) -> list[str]:
    """One caption for each scene."""
    return [caption(scene, rng) for scene in drawn]


def labels(drawn: list[Scene]) -> Labels:
    """What each scene shows."""
    shown = torch.zeros(len(drawn), len(things()))
    for row, scene in zip(shown, drawn, strict=True):
        row[list(scene.things)] = 1
    return Labels(
        shown,
        torch.tensor([len(scene.things) - 1 for scene in drawn]),
        torch.tensor([scene.background for scene in drawn]),
        torch.tensor([("small", "", "big").index(scene.size) for scene in drawn]),
    )


def numbers(generator: torch.Generator) -> np.random.Generator:
    """NumPy's random numbers, decided by torch's."""
    return np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))


ANSWERS = (len(things()), 3, len(BACKGROUNDS), 3)  # objects, counts, backgrounds, sizes
