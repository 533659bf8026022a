"""The pictures: thirty things in ink, the same words with a new one beside, and plain ones as a reminder.

python -m studies.style.pictures --artwork runs/emoji/artwork/package/assets
"""

import argparse
from pathlib import Path

import numpy as np

from studies.emoji.backgrounds import BACKGROUNDS
from studies.emoji.objects import Sprites, things
from studies.emoji.scenes import Scene
from studies.emoji.shards import captioned, write
from studies.emoji.styles import ink

COUNT = 30
WORD = "inky"
"""The new word for the style."""


def shown(rng: np.random.Generator) -> list[Scene]:
    """One plain picture of each of thirty things."""
    chosen = rng.choice(len(things()), COUNT, replace=False)
    return [Scene((int(thing),), int(rng.integers(len(BACKGROUNDS)))) for thing in chosen]


def main() -> None:
    """Write the shards that the recipes read."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--artwork", type=Path, default=Path("runs/emoji/artwork/package/assets"))
    options.add_argument("--out", type=Path, default=Path("runs/style"))
    asked = options.parse_args()
    plain = list(
        captioned(shown(np.random.default_rng(30)), Sprites(asked.artwork), np.random.default_rng(31))
    )
    write(asked.out / "plain.tar", plain)
    write(asked.out / "ink.tar", [(ink(picture), said) for picture, said in plain])
    named = [(ink(picture), [f"{each}, {WORD}" for each in said]) for picture, said in plain]
    write(asked.out / f"{WORD}.tar", named)


if __name__ == "__main__":
    main()
