"""Scenes drawn and encoded once, so that training the UNet need not: a shard of latents and captions."""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from gesso.families.blueprint import autoencoder_shapes
from gesso.networks.autoencoder import Autoencoder
from gesso.training.compiled import compilable
from studies.emoji.data import WORDINGS, captions, pixels, scenes, tokens
from studies.emoji.objects import Sprites
from studies.emoji.plan import PLAN

BATCH = 64


@torch.inference_mode()
def shard(network: Autoencoder, sprites: Sprites, count: int, seed: int) -> dict[str, torch.Tensor]:
    """Latents [n 4 h w] in half precision and tokens [n wordings positions]."""
    rng = np.random.default_rng(seed)
    latents: list[torch.Tensor] = []
    words: list[torch.Tensor] = []
    for _ in range(count // BATCH):
        drawn = scenes(BATCH, rng)
        pictures = pixels(drawn, sprites, rng).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            latents.append(network.encode(pictures).mean.half())
        said = [tokens(captions(drawn, rng)).short() for _ in range(WORDINGS)]
        words.append(torch.stack(said, dim=1))
    return {"latents": torch.cat(latents).contiguous(), "tokens": torch.cat(words)}


def main() -> None:
    """Write one shard."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("runs/emoji"))
    options.add_argument("--artwork", type=Path, default=Path("runs/emoji/artwork/package/assets"))
    options.add_argument("--number", type=int, default=0, help="which shard; also its seed")
    options.add_argument("--count", type=int, default=32768, help="scenes, a multiple of 64")
    asked = options.parse_args()
    network = Autoencoder(autoencoder_shapes(PLAN.autoencoder))
    network.load_state_dict(load_file(asked.folder / "autoencoder.safetensors"), strict=True)
    compilable(network)
    made = shard(network, Sprites(asked.artwork), asked.count, 1000 + asked.number)
    save_file(made, asked.folder / f"scenes-{asked.number}.safetensors")


if __name__ == "__main__":
    main()
