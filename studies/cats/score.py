"""What three models paint when asked for twenty things, as the judge sees it, and a sheet to see for oneself.

python -m studies.cats.score
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

import gesso
from studies.cats.pictures import CAT, OTHERS, numbers, scenes
from studies.emoji.judge import Judge, load
from studies.emoji.objects import things
from studies.emoji.scenes import caption
from studies.emoji.score import Prompt, grid, painted

TWENTY = (CAT, *OTHERS)
NAMES = ("all", "no-cats", "only-cats")
SHOWN = 12


def prompts(names: tuple[str, ...], each: int, seed: int) -> list[Prompt]:
    """So many prompts for each thing."""
    rng = np.random.default_rng(seed)
    return [Prompt(caption(scene, rng), scene) for scene in scenes(names, each, rng)]


@torch.inference_mode()
def seen(judge: Judge, pictures: Float[Tensor, "b 3 h w"], names: Sequence[str]) -> list[str]:
    """Which of these things each picture shows most likely."""
    likely = judge.logits(pictures)[0][:, list(numbers(names))]
    return [names[int(i)] for i in likely.argmax(dim=1)]


def shares(found: list[str], asked: list[Prompt]) -> dict[str, float]:
    """How many pictures show what was asked, and how many a cat."""
    wanted = [things()[prompt.scene.things[0]].name for prompt in asked]
    pairs = list(zip(found, wanted, strict=True))
    return {
        "as asked": sum(one == other for one, other in pairs) / len(pairs),
        "a cat": sum(one == CAT for one in found) / len(found),
    }


def main() -> None:
    """Paint with each, judge, and lay a few side by side."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--folder", type=Path, default=Path("runs/cats"))
    options.add_argument("--judge", type=Path, default=Path("runs/emoji"))
    options.add_argument("--out", type=Path, default=Path("studies/cats"))
    asked = options.parse_args()
    twenty, every = prompts(TWENTY, 10, seed=11), [thing.name for thing in things()]
    cats = prompts((CAT,), 200, seed=12)
    judge, report, rows = load(asked.judge), dict[str, dict[str, float]](), list[Tensor]()
    for name in NAMES:
        model = gesso.load(asked.folder / name / f"{name}.safetensors")
        defaults = model.identity.facts.defaults
        pictures = painted(model, twenty, defaults, 5000)
        report[name] = shares(seen(judge, pictures, TWENTY), twenty)
        of_all = shares(seen(judge, pictures, every), twenty)
        report[name] |= {f"{share}, of 72 answers": value for share, value in of_all.items()}
        if name == "no-cats":
            only = painted(model, cats, defaults, 9000)
            report[name]["a cat, where all 200 ask for one"] = shares(seen(judge, only, TWENTY), cats)[
                "a cat"
            ]
        rows.append(pictures[[10 * i + i % 10 for i in range(SHOWN)]])
        print(name, report[name], flush=True)
    words = [twenty[10 * i + i % 10].text for i in range(SHOWN)]
    texts = [text if i else f"{name}: {text}" for name in NAMES for i, text in enumerate(words)]
    grid(torch.cat(rows), texts, SHOWN).save(asked.out / "grid.png", optimize=True)
    (asked.out / "score.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
