"""How good a checkpoint is: what the judge sees in the pictures it paints, and a grid to see for oneself."""

import argparse
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from gesso import model as models
from gesso.conditioning.conditioning import Conditioning
from gesso.families.facts import Defaults
from gesso.guidance.estimates import Asked, guided
from gesso.guidance.scale import constant
from gesso.networks.clip_text import ClipText
from gesso.sampling.noise import SeededNoise
from gesso.sampling.samplers import sampler
from gesso.sampling.schedules import schedule
from gesso.tuned import KERNELS, tuned
from studies.emoji import richer
from studies.emoji.backgrounds import BACKGROUNDS, WHITE
from studies.emoji.data import tokens
from studies.emoji.judge import Verdicts, judge, load
from studies.emoji.objects import things
from studies.emoji.plan import SIDE
from studies.emoji.scenes import Scene, caption
from studies.emoji.styles import STYLES

BATCH = 50


@dataclass(frozen=True)
class Prompt:
    """What is asked for, in words and as a scene."""

    text: str
    scene: Scene


def prompts(count: int, seed: int) -> list[Prompt]:
    """Prompts over all objects in turn; every fourth a combination that training never showed."""
    rng = np.random.default_rng(seed)
    asked: list[Prompt] = []
    for i in range(count):
        while True:
            copies = int(rng.choice(3, p=(0.6, 0.2, 0.2))) + 1
            background = WHITE if rng.random() < 0.3 else int(rng.integers(len(BACKGROUNDS)))
            scene = Scene((i % len(things()),) * copies, background)
            if scene.unseen == (i % 4 == 0):
                break
        asked.append(Prompt(caption(scene, rng), scene))
    return asked


def pairs(count: int, seed: int) -> list[Prompt]:
    """Prompts for two different objects, side by side and one above the other in turn, in the usual style."""
    rng = np.random.default_rng(seed)
    found = [
        replace(richer.drawn(rng, several=True, styled=False), stacked=bool(i % 2)) for i in range(count)
    ]
    return [Prompt(caption(scene, rng), scene) for scene in found]


def styled(count: int, seed: int) -> list[Prompt]:
    """Prompts for one object in each of the styles in turn."""
    rng = np.random.default_rng(seed)
    found = [
        replace(richer.drawn(rng, several=False, styled=False), style=i % len(STYLES)) for i in range(count)
    ]
    return [Prompt(caption(scene, rng), scene) for scene in found]


def single(count: int, seed: int) -> list[Prompt]:
    """Prompts for one object in the usual style."""
    rng = np.random.default_rng(seed)
    found = [richer.drawn(rng, several=False, styled=False) for _ in range(count)]
    return [Prompt(caption(scene, rng), scene) for scene in found]


KINDS: dict[str, Callable[[int, int], list[Prompt]]] = {
    "mixed": prompts,
    "single": single,
    "pairs": pairs,
    "styles": styled,
}
"""What is asked for; mixed is one object, two copies and three."""


@torch.inference_mode()
def paint(model: models.Model, texts: list[str], defaults: Defaults, seed: int) -> Float[Tensor, "b 3 h w"]:
    """Pictures of the prompts, -1 to 1, by the engine's own parts but many at a time."""
    part = model.identity.text[0]
    encoder = cast(ClipText, model.networks[part.name])
    context = encoder.final_norm(encoder(tokens(["", *texts])).hidden[-1])
    silent = Conditioning(context[:1].expand(len(texts), -1, -1))
    denoise = guided(model.denoiser, Asked(Conditioning(context[1:]), silent), constant(defaults.cfg))
    sigmas = schedule(defaults.schedule)(model.denoiser.levels, defaults.steps)
    side = SIDE // model.vae.factor
    seeds = tuple(range(seed, seed + len(texts)))
    noise = SeededNoise(seeds, (model.identity.latent_channels, side, side), sigmas)
    *_, last = sampler(defaults.sampler)(denoise, noise.draw() * sigmas[0], sigmas, noise)
    pixels = model.vae.decode(model.unscaled(last.x).to(model.dtype)).float().clamp(-1, 1)
    # judged as saved: whole numbers of 255
    return ((pixels + 1) * 127.5).round() / 127.5 - 1


def painted(
    model: models.Model, asked: list[Prompt], defaults: Defaults, seed: int
) -> Float[Tensor, "b 3 h w"]:
    """All prompts, some at a time."""
    texts = [prompt.text for prompt in asked]
    return torch.cat(
        [paint(model, texts[i : i + BATCH], defaults, seed + i) for i in range(0, len(texts), BATCH)]
    )


def grid(pictures: Float[Tensor, "b 3 h w"], texts: list[str], columns: int, scale: int = 2) -> Image.Image:
    """Pictures in rows, their prompts below them."""
    side, line = SIDE * scale, 24
    rows = -(-len(texts) // columns)
    sheet = Image.new("RGB", (columns * (side + 4), rows * (side + line)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        values = ((picture + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        left, top = i % columns * (side + 4), i // columns * (side + line)
        sheet.paste(Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC), (left, top))
        half = len(text) if len(text) * 5 < side else max(text.rfind(" ", 0, side // 5), 1)
        pen.multiline_text((left, top + side), f"{text[:half]}\n{text[half:].strip()}", "black", font_size=9)
    return sheet


def summary(verdicts: Verdicts, asked: list[Prompt]) -> dict[str, float]:
    """Shares of right answers, over all prompts and over the never-seen combinations."""
    unseen = torch.tensor([prompt.scene.unseen for prompt in asked])
    named = {name: getattr(verdicts, name) for name in Verdicts.__dataclass_fields__}
    found = {name: float(right.mean()) for name, right in named.items()}
    found |= {f"{name}, never seen": float(right[unseen].mean()) for name, right in named.items()}
    for number, style in enumerate(STYLES):
        rows = torch.tensor([prompt.scene.style == number for prompt in asked])
        if rows.any() and not rows.all():
            found |= {f"{name}, {style.name}": float(named[name][rows].mean()) for name in ("thing", "style")}
    return {name: round(share, 3) for name, share in found.items()}


def main() -> None:
    """Paint, judge, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("runs/emoji"))
    options.add_argument("--model", type=Path, default=Path("runs/emoji/emoji.safetensors"))
    options.add_argument("--quantize", choices=models.ROUNDINGS, default="none")
    options.add_argument("--kernels", choices=KERNELS, default="plain")
    options.add_argument("--kind", choices=KINDS, default="mixed")
    options.add_argument("--count", type=int, default=300)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--set", nargs="*", default=[], help="defaults to try instead: cfg=2 steps=12")
    options.add_argument("--grid", type=Path)
    options.add_argument("--out", type=Path)
    asked = options.parse_args()
    model = models.load(asked.model, quantize=asked.quantize)
    changes = dict(part.split("=") for part in asked.set)
    kinds = {"cfg": float, "steps": int}
    defaults = replace(
        model.identity.facts.defaults, **{key: kinds.get(key, str)(value) for key, value in changes.items()}
    )
    wanted = KINDS[asked.kind](asked.count, asked.seed)
    with tuned(model.networks.values()) if asked.kernels == "auto" else nullcontext():
        pictures = painted(model, wanted, defaults, 1000 * asked.seed)
    found = summary(judge(load(asked.folder), pictures, [p.scene for p in wanted]), wanted)
    told = {"model": asked.model.name, "quantize": asked.quantize, "kernels": asked.kernels}
    report = json.dumps({**told, "kind": asked.kind, **asdict(defaults), **found})
    print(report)
    if asked.out:
        asked.out.write_text(report + "\n")
    if asked.grid:
        grid(pictures[:60], [prompt.text for prompt in wanted[:60]], 12).save(asked.grid)


if __name__ == "__main__":
    main()
