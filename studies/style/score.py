"""How much of the style each way of teaching took, and how much of the content it kept.

python -m studies.style.score
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

import gesso
from gesso.generation.latents import as_pixels
from studies.emoji.judge import judge, load
from studies.emoji.objects import things
from studies.emoji.richer import drawn
from studies.emoji.scenes import Scene, caption
from studies.emoji.score import grid
from studies.emoji.styles import STYLES
from studies.style.pictures import WORD, shown

INK = [style.name for style in STYLES].index("ink")
SHOWN = 12


@dataclass(frozen=True)
class Way:
    """One way to teach the style, and how what it made is used.

    Args:
        name: of its recipe; empty for the checkpoint as it is.
        after: what prompts must say at their end.
        fields: the written file → fields of a request.
    """

    name: str
    after: str = ""
    fields: Callable[[Path], Mapping[str, Any]] = lambda _: {}

    @property
    def whole(self) -> bool:
        """The file is a checkpoint of its own."""
        return self.name in {"full", "dreambooth"}


def attached(path: Path) -> Mapping[str, Any]:
    """Fields of a request that put a LoRA beside the weights."""
    return {"loras": ({"file": path},)}


def _word(path: Path) -> Mapping[str, Any]:
    return {"embeddings": ({"file": path},)}


WAYS = (
    Way(""),
    Way("full"),
    Way("lora-4", fields=attached),
    Way("lora-16", fields=attached),
    Way("dreambooth", after=f", {WORD}"),
    Way(WORD, after=f", {WORD}", fields=_word),
)


def scenes() -> list[Scene]:
    """Every thing once, on a background by chance."""
    rng = np.random.default_rng(72)
    grounds = [drawn(rng, several=False, styled=False).background for _ in things()]
    return [Scene((thing,), ground, style=INK) for thing, ground in enumerate(grounds)]


def texts(asked: list[Scene]) -> list[str]:
    """What is asked for, without a word of style."""
    rng = np.random.default_rng(73)
    return [caption(Scene(scene.things, scene.background), rng) for scene in asked]


def painted(model: gesso.Model, prompts: list[str], fields: Mapping[str, Any]) -> Float[Tensor, "b 3 h w"]:
    """The pictures that `gesso generate` paints of these prompts, seed by seed."""
    found: list[Tensor] = []
    for seed, prompt in enumerate(prompts):
        request = gesso.Request.model_validate({"prompt": prompt, "seed": seed, **fields})
        found.append(as_pixels(gesso.paint(model, request).images[0]))
    return torch.cat(found)


def main() -> None:
    """Paint with each, judge, and lay a few side by side."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--folder", type=Path, default=Path("runs/style"))
    options.add_argument("--judge", type=Path, default=Path("runs/emoji"))
    options.add_argument("--out", type=Path, default=Path("studies/style"))
    asked = options.parse_args()
    network, wanted = load(asked.judge), scenes()
    words, report, rows, labels = texts(wanted), dict[str, dict[str, float]](), list[Tensor](), list[str]()
    learnt = {scene.things for scene in shown(np.random.default_rng(30))}
    new = torch.tensor([scene.things not in learnt for scene in wanted])
    for way in WAYS:
        file = asked.folder / way.name / f"{way.name}.safetensors"
        model = gesso.load(file if way.whole else None)
        prompts = [text + way.after for text in words]
        pictures = painted(model, prompts, way.fields(file))
        found = judge(network, pictures, wanted)
        report[way.name or "as it is"] = {
            "style": float(found.style.mean()),
            "right object": float(found.thing.mean()),
            "right object among five": float(found.thing_in_five.mean()),
            "style, things not shown": float(found.style[new].mean()),
            "right object among five, things not shown": float(found.thing_in_five[new].mean()),
            "megabytes": file.stat().st_size / 1e6 if way.name else 0.0,
        }
        print(way.name, report[way.name or "as it is"], flush=True)
        rows.append(pictures[:SHOWN])
        labels += [
            f"{way.name or 'as it is'}: {text}" if i == 0 else text for i, text in enumerate(words[:SHOWN])
        ]
    grid(torch.cat(rows), labels, SHOWN).save(asked.out / "grid.png", optimize=True)
    (asked.out / "score.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
