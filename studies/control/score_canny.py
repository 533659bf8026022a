"""How closely pictures follow the edges they are shown: with the ControlNet, and by the words alone.

python -m studies.control.score_canny --artwork runs/emoji/artwork/package/assets

Scenes that training never saw are drawn; their edges and captions are given to `gesso.paint`. An edge counts
as found where the other picture has one at most one pixel away.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import gesso
from gesso.annotators.edges import canny
from studies.emoji.data import captions, pixels, scenes
from studies.emoji.objects import Sprites

SEED = 1001
"""Of the scenes; training's is another."""

Edges = NDArray[np.uint8]


def agreement(drawn: Edges, shown: Edges) -> float:
    """The F1 of edges: how many of each picture's the other has too, within one pixel."""
    shares = [_near(one, other) for one, other in ((drawn, shown), (shown, drawn))]
    return 2 * shares[0] * shares[1] / max(1e-9, sum(shares))


def _near(edges: Edges, others: Edges) -> float:
    """The share of edges that have another picture's beside them."""
    around = np.asarray(ndimage.maximum_filter(others, 3))
    return float(np.mean(around[edges > 0] > 0)) if edges.any() else 0.0


def examples(sprites: Sprites, count: int) -> Iterator[tuple[str, Edges]]:
    """Captions and edges of fresh scenes."""
    rng = np.random.default_rng(SEED)
    drawn = scenes(count, rng)
    pictures = ((pixels(drawn, sprites, rng) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    for words, picture in zip(captions(drawn, rng), pictures, strict=True):
        yield words, canny(picture)


def main() -> None:
    """Paint both and compare."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--artwork", type=Path, default=Path("runs/emoji/artwork/package/assets"))
    options.add_argument("--control", default="canny")
    options.add_argument("--count", type=int, default=64)
    options.add_argument("--out", type=Path, default=Path("studies/control/score.json"))
    asked = options.parse_args()
    model, found = gesso.load(), {"with the ControlNet": list[float](), "by the words alone": list[float]()}
    with TemporaryDirectory() as folder:
        hint = Path(folder) / "edges.png"
        for number, (words, shown) in enumerate(examples(Sprites(asked.artwork), asked.count)):
            Image.fromarray(shown).save(hint)
            for name, controls in zip(found, ([f"{asked.control}:{hint}"], []), strict=True):
                fields = {"prompt": words, "seed": number, "controls": controls}
                picture = gesso.paint(model, gesso.Request.model_validate(fields)).images[0]
                found[name].append(agreement(canny(np.asarray(picture.convert("RGB"))), shown))
    told = {name: round(mean(each), 3) for name, each in found.items()}
    asked.out.write_text(json.dumps({"pictures": asked.count, "edges found": told}, indent=2) + "\n")
    print(told)


if __name__ == "__main__":
    main()
