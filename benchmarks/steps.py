"""One step with guidance and one decode: diffusers, gesso by torch's own kernels, gesso by this machine's.

    python -m benchmarks.steps --folder /var/tmp/bench --family sd-v1 --out benchmarks/steps.json

One process, the same sizes, random weights, bfloat16, channels last. Each of gesso's two takes turns with
diffusers, call by call; medians, with the fastest and the slowest. A page of the file is replaced.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import prepared
from benchmarks.told import put
from gesso.families.work import decoder_work, unet_work
from gesso.model import Model, load
from gesso.runtime.machine import machine
from gesso.tuned import tuned

SIZES = {"sd-v1": 512, "sdxl-base": 1024}
Work = Callable[[], object]


def fastest(works: dict[str, Work], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, in turn, after one call that is not counted."""
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - began)
    return times


def theirs(folder: Path, kind: str, part: str) -> nn.Module:
    """A network of diffusers' with random weights."""
    build: Any = getattr(import_module("diffusers"), kind)
    with torch.device("meta"):
        network = build.from_config(build.load_config(str(folder), subfolder=part))
    network = network.to(torch.bfloat16).to_empty(device="cpu").eval()
    for weight in network.parameters():
        weight.data.uniform_(-0.03, 0.03)
    return network.to(memory_format=torch.channels_last)


def inputs(model: Model, size: int) -> tuple[Tensor, ...]:
    """What a UNet is told in a step with guidance."""
    shapes, side = model.identity.checkpoint.shapes, size // model.factor
    width = next(shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight"))
    vector = next((shape[1] for name, shape in shapes.items() if name.endswith("label_emb.0.0.weight")), None)
    x = torch.randn(2, 4, side, side).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    told = (x, torch.tensor([500.0, 500.0]), torch.randn(2, 77, width).to(torch.bfloat16))
    return told if vector is None else (*told, torch.randn(2, vector).to(torch.bfloat16))


def operations(model: Model, size: int, what: str) -> float:
    """Of both rows of a step, or of one decode, 10^12."""
    shapes, latent = model.identity.checkpoint.shapes, (size // model.factor, size // model.factor)
    if what == "step":
        return 2 * unet_work(shapes.under("model.diffusion_model."), latent) / 1e12
    return decoder_work(shapes.under("first_stage_model."), latent) / 1e12


def measured(family: str, folder: Path, rounds: int, what: str) -> dict[str, Any]:
    """Times of one kind of work, "step" or "decode"."""
    file, config = prepared(family, folder)
    size = SIZES[family]
    model = load(file, device="cpu", dtype="bfloat16")
    told = inputs(model, size)
    if what == "step":
        peer: Any = theirs(config, "UNet2DConditionModel", "unet")
        added = {"text_embeds": torch.zeros(2, 1280).bfloat16(), "time_ids": torch.zeros(2, 6)}
        works: list[Work] = [
            lambda: peer(told[0], told[1], told[2], added_cond_kwargs=added, return_dict=False),
            lambda: model.networks["unet"](*told),
        ]
    else:
        peer = theirs(config, "AutoencoderKL", "vae")
        latents = told[0][:1]
        works = [lambda: peer.decode(latents, return_dict=False), lambda: model.vae.decode(latents)]
    plain = fastest({"diffusers": works[0], "plain": works[1]}, rounds)
    with tuned([model.networks["unet"], model.vae]):
        auto = fastest({"diffusers": works[0], "auto": works[1]}, rounds)
    return {
        "size": size,
        "tflop": operations(model, size, what),
        "seconds": {
            "diffusers": plain["diffusers"] + auto["diffusers"],
            "plain": plain["plain"],
            "auto": auto["auto"],
        },
        "ratio": statistics.median(auto["diffusers"]) / statistics.median(auto["auto"]),
    }


def table(pages: dict[str, Any]) -> str:
    """Medians as Markdown."""
    lines = ["| | diffusers | plain | auto | diffusers / auto |", "|---|---|---|---|---|"]
    for name, page in sorted(pages.items()):
        cells = [
            f"{statistics.median(times):.2f} s ({min(times):.2f}-{max(times):.2f}), "
            f"{page['tflop'] / statistics.median(times):.2f} TFLOP/s"
            for times in page["seconds"].values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} | {page['ratio']:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--folder", type=Path, default=Path("runs/bench"))
    options.add_argument("--family", choices=SIZES, default="sd-v1")
    options.add_argument("--what", choices=("step", "decode"), default="step")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--out", type=Path, default=Path("benchmarks/steps.json"))
    options.add_argument("--into", nargs="*", type=Path, default=[], help="files with room for the table")
    given = options.parse_args()
    pages: dict[str, Any] = json.loads(given.out.read_text())["pages"] if given.out.exists() else {}
    with torch.inference_mode():
        page = measured(given.family, given.folder, given.rounds, given.what)
    pages[f"{given.family} {given.what}"] = page
    given.out.write_text(json.dumps({"machine": machine(), "pages": pages}, indent=2) + "\n")
    print(table(pages))
    for path in given.into:
        put({"steps": table(pages)}, path)


if __name__ == "__main__":
    main()
