"""The whole way compared: the same words, noise and noise levels through gesso and diffusers' pipelines.

Five Euler steps at 256 x 256 with guidance, in float32; SD 2.x as v, SDXL with its size conditions,
the refiner from a source picture's latents, as it is meant to be used (four of the five steps).
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.diffusers_folder import write as write_folder
from benchmarks.parity_cases import Case
from gesso.generation.enlarging import cropped
from gesso.generation.generate import paint
from gesso.generation.latents import as_pixels, encoded
from gesso.generation.planning import make_plan
from gesso.model import load
from gesso.request import LoraUse, Request, Source

__all__ = ["difference", "paint_gesso", "paint_oracle"]

SIZE = (256, 256)
SEED = 11
PROMPT, NEGATIVE = "a lighthouse at dusk, oil on canvas", "blurry, text"
PREDICTION = {"sd-v2": "v"}


def request(family: str, folder: Path, lora: Path | None = None) -> Request:
    """The same ask for both sides."""
    source = None
    if family == "sdxl-refiner":
        path = folder / "source.png"
        Image.linear_gradient("L").convert("RGB").save(path)
        source = Source(image=path, strength=0.8)
    return Request(
        prompt=PROMPT,
        negative=NEGATIVE,
        size=SIZE,
        seed=SEED,
        steps=5,
        sampler="euler",
        schedule="normal",
        cfg=5.0,
        source=source,
        loras=() if lora is None else (LoraUse(file=lora),),
    )


def paint_gesso(family: str, folder: Path, lora: Path | None = None) -> None:
    """gesso's picture; also leaves the noise levels, and the source's latents for the other side."""
    model = load(
        folder / f"{family}.safetensors", device="cpu", dtype="float32", prediction=PREDICTION.get(family)
    )
    asked = request(family, folder, lora)
    kept = {"sigmas": torch.tensor(make_plan(model, asked).passes[0].sigmas, dtype=torch.float64)}
    if asked.source is not None:
        with torch.inference_mode():
            picture = Image.open(str(asked.source.image)).convert("RGB")
            pixels = as_pixels(cropped(picture, SIZE, Image.Resampling.LANCZOS))
            kept["source"] = model.latents(encoded(model, pixels)).clone()
    torch.save(kept, folder / f"{family}-run.pt")
    paint(model, asked).images[0].save(folder / f"{family}-gesso.png")


def paint_oracle(family: str, case: Case, folder: Path, lora: Path | None = None) -> None:
    """diffusers' picture over the same noise levels."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import diffusers

    from benchmarks.diffusers_folder import KINDS

    pipe = getattr(diffusers, KINDS[family].pipeline).from_single_file(
        str(folder / f"{family}.safetensors"),
        config=str(write_folder(family, case, folder / f"{family}-config")),
        local_files_only=True,
        torch_dtype=torch.float32,
    )
    pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(
        pipe.scheduler.config, timestep_spacing="linspace"
    )
    pipe.set_progress_bar_config(disable=True)
    if lora is not None:
        pipe.load_lora_weights(str(lora.parent), weight_name=lora.name)
    kept: dict[str, Tensor] = torch.load(folder / f"{family}-run.pt", weights_only=True)
    noise = torch.randn((1, 4, SIZE[1] // 8, SIZE[0] // 8), generator=torch.Generator().manual_seed(SEED))
    start: dict[str, Any] = {"latents": noise, "width": SIZE[0], "height": SIZE[1]}
    if "source" in kept:
        pipe.register_to_config(requires_aesthetics_score=True)
        start = {"image": kept["source"], "strength": 1.0, "generator": torch.Generator().manual_seed(SEED)}
        start |= {"original_size": SIZE[::-1], "target_size": SIZE[::-1]}
    picture = pipe(
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        guidance_scale=5.0,
        sigmas=kept["sigmas"].tolist(),
        num_inference_steps=len(kept["sigmas"]) - 1,
        **start,
    ).images[0]
    picture.save(folder / f"{family}-oracle.png")


def difference(family: str, folder: Path) -> int:
    """The largest difference of any pixel's channel, of 255."""
    ours, oracle = (
        np.asarray(Image.open(folder / f"{family}-{side}.png").convert("RGB"), dtype=np.int16)
        for side in ("gesso", "oracle")
    )
    return int(np.abs(ours - oracle).max())
