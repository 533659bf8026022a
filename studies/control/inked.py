"""A LoRA that turns what the built-in checkpoint paints into ink drawings: pictures, then training.

python -m studies.control.inked --artwork runs/emoji/artwork/package/assets
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from gesso.cli.main import main as gesso
from studies.emoji.data import scenes
from studies.emoji.objects import Sprites
from studies.emoji.shards import captioned, write
from studies.emoji.styles import ink

RECIPE = Path(__file__).with_name("ink.toml")
PICTURES = Path("runs/control/ink.tar")


def draw(artwork: Path, count: int, seed: int) -> None:
    """Scenes in ink with their plain captions, as the recipe's pictures."""
    rng = np.random.default_rng(seed)
    plain = captioned(scenes(count, rng), Sprites(artwork), rng)
    write(PICTURES, ((ink(picture), said) for picture, said in plain))


def main() -> None:
    """Draw, unless it is done, and train, or go on training."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--artwork", type=Path, default=Path("runs/emoji/artwork/package/assets"))
    options.add_argument("--count", type=int, default=2048, help="pictures of the style")
    options.add_argument("--seed", type=int, default=7)
    asked, further = options.parse_known_args()
    if not PICTURES.is_file():
        draw(asked.artwork, asked.count, asked.seed)
    # what is not an option of this program is one of the recipe, as in --run.steps 700
    sys.exit(gesso(["train", str(RECIPE), *further]))


if __name__ == "__main__":
    main()
