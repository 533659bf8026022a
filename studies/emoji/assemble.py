"""The trained parts put together: one checkpoint file in Stable Diffusion 1's layout, in half precision."""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from gesso.checkpoint.write import save
from gesso.sampling.levels import TrainedLevels
from gesso.training.states import States
from studies.emoji.plan import HEADS, SIDE

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model.transformer."


def metadata(defaults: dict[str, Any]) -> dict[str, str]:
    """What the file says of itself.

    Source: Stability AI's ModelSpec 1.0.1; `gesso.` fields are read by gesso.families.facts.
    """
    return {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stable-diffusion-v1",
        "modelspec.implementation": "sgm",
        "modelspec.title": "gesso emoji",
        "modelspec.description": "Paints one to three of 72 everyday things on colours and simple scenes.",
        "modelspec.license": "Apache-2.0; trained on Microsoft Fluent Emoji 3D (MIT)",
        "modelspec.resolution": f"{SIDE}x{SIDE}",
        "modelspec.prediction_type": "v",
        "gesso.num_heads": str(HEADS.count),
        "gesso.latent_scale": "1.0",
        "gesso.defaults": json.dumps({"size": [SIDE, SIDE], **defaults}),
    }


def parts(painter: States, autoencoder: Path) -> dict[str, Tensor]:
    """Every tensor under its name in the file; the painter's averaged weights."""
    tensors: dict[str, Tensor] = {}
    state = painter.newest()
    assert state is not None, "the painter must be trained first"
    for name, weight in state["average"].items():
        part, _, own = name.partition(".")
        tensors[(UNET if part == "unet" else TEXT) + own] = weight.contiguous().half()
    for name, weight in load_file(autoencoder).items():
        tensors[VAE + name] = weight.contiguous().half()
    # the table says which noise was trained; half precision would move it
    tensors["alphas_cumprod"] = torch.tensor(TrainedLevels.scaled_linear().alphas_cumprod)
    tensors["ztsnr"] = torch.zeros(0)
    return tensors


def main() -> None:
    """Write the checkpoint."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("runs/emoji"))
    options.add_argument("--out", type=Path, default=Path("runs/emoji/emoji.safetensors"))
    options.add_argument("--steps", type=int, default=16)
    options.add_argument("--cfg", type=float, default=2.5)
    options.add_argument("--sampler", default="dpmpp_2m")
    options.add_argument("--schedule", default="sgm_uniform")
    asked = options.parse_args()
    folder: Path = asked.folder
    chosen = {
        "steps": asked.steps,
        "sampler": asked.sampler,
        "schedule": asked.schedule,
        "cfg": asked.cfg,
    }
    save(
        asked.out,
        parts(States(folder / "painter"), folder / "autoencoder.safetensors"),
        metadata=metadata(chosen),
    )


if __name__ == "__main__":
    main()
