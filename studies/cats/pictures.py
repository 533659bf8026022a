"""The pictures: twenty things on all backgrounds, the cats by themselves, and a model that knows nothing.

python -m studies.cats.pictures --artwork runs/emoji/artwork/package/assets
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gesso.builtin import checkpoint
from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.write import save
from gesso.families.blueprint import unet_shapes
from gesso.networks.initialise import initialise
from gesso.networks.unet import UNet
from studies.emoji.assemble import UNET
from studies.emoji.backgrounds import BACKGROUNDS, WHITE
from studies.emoji.objects import Sprites, things
from studies.emoji.plan import HEADS, PLAN
from studies.emoji.scenes import Scene
from studies.emoji.shards import captioned, write

CAT = "cat"
OTHERS = (
    *("dog", "penguin", "fish", "octopus", "apple", "banana", "strawberry", "pizza", "cake", "car"),
    *("rocket", "house", "tree", "cactus", "guitar", "umbrella", "key", "heart", "star"),
)
WIDTH = 32  # of the UNet; the built-in one's is 64
PLAIN = 0.3  # how often the background is white


def numbers(names: Sequence[str]) -> tuple[int, ...]:
    """Objects by their names."""
    known = [thing.name for thing in things()]
    return tuple(known.index(name) for name in names)


def scenes(names: tuple[str, ...], each: int, rng: np.random.Generator) -> list[Scene]:
    """So many pictures of each thing alone, on backgrounds by chance."""
    grounds = [WHITE if rng.random() < PLAIN else int(rng.integers(len(BACKGROUNDS))) for _ in range(each)]
    return [Scene((thing,), ground) for thing in numbers(names) for ground in grounds]


def begin(path: Path) -> None:
    """The built-in checkpoint with a smaller UNet that has learnt nothing."""
    network = UNet(unet_shapes(replace(PLAN.unet, width=WIDTH)), HEADS)
    initialise(network, torch.Generator().manual_seed(0))
    file = Checkpoint.open(checkpoint())
    kept = dict(file.tensors(name for name in file.shapes if not name.startswith(UNET)))
    drawn = {UNET + name: weight.half() for name, weight in network.state_dict().items()}
    save(path, kept | drawn, metadata=file.metadata)


def main() -> None:
    """Write what the three recipes read."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--artwork", type=Path, default=Path("runs/emoji/artwork/package/assets"))
    options.add_argument("--out", type=Path, default=Path("runs/cats"))
    options.add_argument("--each", type=int, default=150, help="pictures of each thing")
    asked = options.parse_args()
    sprites, rng = Sprites(asked.artwork), np.random.default_rng(5)
    for name, shown in (("cats", (CAT,)), ("others", OTHERS)):
        write(asked.out / f"{name}.tar", captioned(scenes(shown, asked.each, rng), sprites, rng))
    begin(asked.out / "begin.safetensors")


if __name__ == "__main__":
    main()
