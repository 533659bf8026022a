"""Scenes for the second training: two objects apart and drawn styles, and the first training's scenes again.

python -m studies.emoji.richer --artwork runs/emoji/artwork/package/assets --out runs/emoji/richer.tar
"""

import argparse
from pathlib import Path

import numpy as np

from studies.emoji import scenes
from studies.emoji.backgrounds import BACKGROUNDS, WHITE
from studies.emoji.objects import Sprites, things
from studies.emoji.scenes import Scene
from studies.emoji.shards import captioned, write
from studies.emoji.styles import PLAINLY, STYLES

SHARES = (0.27, 0.42, 0.23, 0.08)  # as before, two objects, one object in a style, two objects in a style
PLAIN = 0.3  # how often the background is white


def draw(rng: np.random.Generator) -> Scene:
    """A scene as the second training shows them, never an unseen one."""
    kind = int(rng.choice(4, p=SHARES))
    if kind == 0:
        return scenes.draw(rng)
    while True:
        scene = drawn(rng, several=kind != 2, styled=kind != 1)
        if not scene.unseen:
            return scene


def drawn(rng: np.random.Generator, *, several: bool, styled: bool) -> Scene:
    """One object or two different ones, perhaps in one of the drawn styles."""
    members = tuple(int(i) for i in rng.choice(len(things()), 1 + several, replace=False))
    background = WHITE if rng.random() < PLAIN else int(rng.integers(len(BACKGROUNDS)))
    style = 1 + int(rng.integers(len(STYLES) - 1)) if styled else PLAINLY
    return Scene(members, background, stacked=several and bool(rng.integers(2)), style=style)


def main() -> None:
    """Write the shard."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--artwork", type=Path, default=Path("runs/emoji/artwork/package/assets"))
    options.add_argument("--out", type=Path, default=Path("runs/emoji/richer.tar"))
    options.add_argument("--count", type=int, default=16384)
    options.add_argument("--seed", type=int, default=21)
    asked = options.parse_args()
    rng = np.random.default_rng(asked.seed)
    drawn = [draw(rng) for _ in range(asked.count)]
    write(asked.out, captioned(drawn, Sprites(asked.artwork), rng))
    print(asked.out)


if __name__ == "__main__":
    main()
