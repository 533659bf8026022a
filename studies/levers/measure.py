"""What each lever costs in quality and saves in work, on the built-in checkpoint.

    python -m studies.levers.measure --count 100

Prompts are painted by the engine's own plan, samplers, guidance and shortcuts, many pictures in one batch:
once in many steps, and once by each lever. What is compared with the picture of many steps is the lever's,
in decibels and as the judge's layers see it; the judge also says whether what was asked for is there. The
judge is `studies.emoji.judge`'s. A cache with a threshold decides for a batch as a whole.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from gesso.checkpoint.hashes import sha256
from gesso.conditioning.conditioning import Conditioning
from gesso.generation.cost import inner_work, work
from gesso.generation.plan import Plan
from gesso.generation.planning import make_plan
from gesso.generation.shortening import shortened
from gesso.guidance.estimates import Asked, guided
from gesso.model import Model, load
from gesso.networks.clip_text import ClipText
from gesso.request import Request
from gesso.runtime.machine import machine
from gesso.sampling.noise import SeededNoise
from gesso.sampling.samplers import sampler
from gesso.tuned import tuned
from studies.emoji.data import tokens
from studies.emoji.judge import Judge, judge
from studies.emoji.judge import load as load_judge
from studies.emoji.score import Prompt, grid, prompts
from studies.levers.distances import perceived, psnr
from studies.levers.levers import LEVERS, Lever

MANY = 48
"""Steps of the picture that all others are compared with."""
OWN = "the model's own choice"
SHOWN = 8
"""Prompts in the picture of pictures."""


BATCH = 25


@dataclass(frozen=True)
class Painted:
    """Pictures of one lever, within -1…1, and what each of them took.

    Args:
        tflop: operations of one picture, 10^12.
    """

    pictures: Float[Tensor, "b 3 h w"]
    tflop: float


def painted(model: Model, asked: Sequence[Prompt], lever: Lever, seed: int) -> Painted:
    """Every prompt by a lever."""
    plan = make_plan(model, Request.model_validate({"prompt": "", "seed": seed, **lever.fields}))
    pictures, tflop = list[Tensor](), list[float]()
    with tuned([model.denoiser.network, model.decoder]), torch.inference_mode():
        for i in range(0, len(asked), BATCH):
            texts = [prompt.text for prompt in asked[i : i + BATCH]]
            found, rested = batch(model, plan, texts, seed + i)
            pictures.append(found)
            tflop.append(work(model, plan) - rested * inner_work(model, plan) / len(texts))
    return Painted(torch.cat(pictures), statistics.mean(tflop))


def batch(model: Model, plan: Plan, texts: list[str], seed: int) -> tuple[Tensor, int]:
    """Pictures of some prompts, as saved, and rows for which inner blocks rested beyond what is planned."""
    (each,), count = plan.passes, len(texts)
    encoder = cast(ClipText, model.networks[model.identity.text[0].name])
    context = encoder.final_norm(encoder(tokens(["", *texts])).hidden[-1])
    silent = Conditioning(context[:1].expand(count, -1, -1), roles=("negative",) * count)
    short = shortened(model.denoiser.network, each)
    denoiser = replace(model.denoiser, controls=short.controls)
    denoise = guided(denoiser, Asked(Conditioning(context[1:]), silent), each.scale)
    shape = (model.identity.latent_channels, *plan.latent)
    noise = SeededNoise(tuple(range(seed, seed + count)), shape, each.sigmas)
    x = noise.draw() * each.sigmas[0]
    *_, last = sampler(each.sampler, each.options)(denoise, x, each.sigmas, noise)
    pixels = model.decoder.decode(model.unscaled(last.x).to(model.dtype)).float().clamp(-1, 1)
    rested = 0 if short.cache is None else count * each.inner_evaluations - short.cache.computed
    return ((pixels + 1) * 127.5).round() / 127.5 - 1, rested


def told(found: Painted, full: Painted, network: Judge, asked: Sequence[Prompt]) -> dict[str, float]:
    """The numbers of one lever."""
    right = judge(network, found.pictures, [prompt.scene for prompt in asked])
    return {
        "psnr": round(float(psnr(found.pictures, full.pictures).median()), 2),
        "perceived": round(float(perceived(network, found.pictures, full.pictures).mean()), 4),
        "thing": round(float(right.thing.mean()), 3),
        "count": round(float(right.count.mean()), 3),
        "background": round(float(right.background.mean()), 3),
        "tflop": round(found.tflop, 5),
    }


def table(levers: dict[str, dict[str, float]]) -> str:
    """As Markdown."""
    own = levers[OWN]
    lines = [
        "| | operations | PSNR | perceived | right object | count | background |",
        "|---" * 7 + "|",
    ]
    for name, said in levers.items():
        share, right = said["tflop"] / own["tflop"], (said[each] for each in ("thing", "count", "background"))
        cells = (
            f"{share:.0%}",
            f"{said['psnr']:.1f} dB",
            f"{said['perceived']:.3f}",
            *map("{:.0%}".format, right),
        )
        lines.append(f"| {' | '.join((name, *cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Paint, compare, keep, print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--judge", type=Path, default=Path("runs/emoji"))
    options.add_argument("--model", type=Path, help="the checkpoint; unless given, the built-in one")
    options.add_argument("--tiny", type=Path, help="a tiny decoder's file, by studies/levers/tiny.toml")
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--levers", nargs="*", choices=LEVERS, help="only these, beside the first")
    options.add_argument("--out", type=Path, default=Path("studies/levers/levers.json"))
    options.add_argument("--grid", type=Path, default=Path("studies/levers/grid.png"))
    asked = options.parse_args()
    wanted, network = prompts(asked.count, asked.seed), load_judge(asked.judge)
    model = load(asked.model)
    full = painted(model, wanted, Lever({"steps": MANY}), 1000 * asked.seed)
    rows = [full.pictures[:SHOWN]]
    found: dict[str, dict[str, float]] = {f"{MANY} steps": told(full, full, network, wanted)}
    for name, lever in LEVERS.items():
        if (lever.tiny and asked.tiny is None) or name not in {*(asked.levers or LEVERS), OWN}:
            continue
        plain = not lever.tiny and lever.quantize == "none"
        vae = asked.tiny if lever.tiny else None
        with_it = model if plain else load(asked.model, vae=vae, quantize=lever.quantize)
        each = painted(with_it, wanted, lever, 1000 * asked.seed)
        rows.append(each.pictures[:SHOWN])
        found[name] = told(each, full, network, wanted)
        print(name, json.dumps(found[name]), flush=True)
    kept: dict[str, Any] = {
        "prompts": asked.count,
        "machine": machine(),
        "model": model.path.name,
        "sha256": sha256(model.path),
        "levers": found,
    }
    asked.out.write_text(json.dumps(kept, indent=2) + "\n")
    labels = [name if i == 0 else "" for name in found for i in range(min(SHOWN, asked.count))]
    grid(torch.cat(rows), labels, min(SHOWN, asked.count), 1).save(asked.grid)
    print(table(found))


if __name__ == "__main__":
    main()
