"""First stage of the words: the text encoder learns to say what a caption shows.

A text encoder that starts from nothing learns slowly through a UNet, which needs its words before it can
use them. A few minutes of sorting captions by their objects, number, background and size stand for what
CLIP's training on pictures is to Stable Diffusion.
"""

import argparse
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, Int
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks.clip_text import ClipText
from gesso.training.loop import Run, train
from gesso.training.settings import TrainingSettings
from gesso.training.states import States
from studies.emoji.data import ANSWERS, Labels, captions, labels, numbers, scenes, tokens
from studies.emoji.plan import TEXT, new

SETTINGS = TrainingSettings(
    steps=600, rate=1e-3, warmup=100, fall=0.8, average=0.99, report_every=50, weight_decay=0.01
)
BATCH = 96


class Sorter(nn.Module):
    """The text encoder with a linear answer to each question at every end mark."""

    def __init__(self) -> None:
        super().__init__()
        self.text = cast(ClipText, new("text", 0))
        self.answers = nn.Linear(TEXT.width, sum(ANSWERS))

    def forward(self, ids: Int[Tensor, "b n"]) -> tuple[Float[Tensor, "b n a"], ...]:
        """Logits of objects, count, background and size at every token."""
        states = self.text.final_norm(self.text(ids).hidden[-1])
        return self.answers(states).split(ANSWERS, dim=-1)


def loss(sorter: Sorter, generator: torch.Generator) -> Tensor:
    """How wrongly fresh captions are sorted, at their first end mark and one of the later ones."""
    rng = numbers(generator)
    drawn = scenes(BATCH, rng)
    ids = tokens(captions(drawn, rng))
    first = ids.argmax(dim=1)
    later = first + (torch.rand(BATCH, generator=generator) * (TEXT.positions - first)).long()
    with torch.autocast("cpu", torch.bfloat16):
        logits = tuple(part.float() for part in sorter(ids))
    rows = torch.arange(BATCH)
    return _wrong(logits, (rows, first), labels(drawn)) + _wrong(logits, (rows, later), labels(drawn))


def _wrong(logits: tuple[Tensor, ...], place: tuple[Tensor, Tensor], truth: Labels) -> Tensor:
    shown, count, background, size = (part[place] for part in logits)
    return (
        functional.binary_cross_entropy_with_logits(shown, truth.things, reduction="none").sum(1).mean()
        + functional.cross_entropy(count, truth.count)
        + functional.cross_entropy(background, truth.background)
        + functional.cross_entropy(size, truth.size)
    )


def main() -> None:
    """Train, and write the text encoder's weights."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("runs/emoji"))
    folder: Path = options.parse_args().folder
    sorter = Sorter()
    run = Run(sorter, SETTINGS)
    for progress in train(run, lambda turn: loss(sorter, turn.generator), States(folder / "text")):
        print(progress, flush=True)
    own = {
        name.removeprefix("text."): weight for name, weight in run.weights.items() if name.startswith("text.")
    }
    save_file(own, folder / "text.safetensors")


if __name__ == "__main__":
    main()
