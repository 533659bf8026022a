"""Scenes as pictures, latents and captions, from which control models and styles are learnt.

python -m studies.control.pairs --artwork runs/emoji/artwork/package/assets
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor

import gesso
from studies.emoji.data import captions, pixels, scenes, tokens
from studies.emoji.objects import Sprites

BATCH = 64


@dataclass(frozen=True)
class Pairs:
    """Scenes, each with its caption.

    Args:
        pictures: as drawn.
        latents: as the built-in checkpoint's UNet sees them.
        tokens: of the caption.
    """

    pictures: UInt8[Tensor, "n 3 s s"]
    latents: Float[Tensor, "n c h w"]
    tokens: Int[Tensor, "n t"]

    @staticmethod
    def load(path: Path) -> "Pairs":
        """From a file that `main` wrote."""
        found = load_file(path)
        return Pairs(found["pictures"], found["latents"], found["tokens"])


def encoded(model: gesso.Model, pictures: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b c h w"]:
    """Pictures of -1…1 as latents."""
    return model.latents(model.vae.encode(pictures.to(model.dtype)).mean.float())


@torch.inference_mode()
def drawn(model: gesso.Model, sprites: Sprites, count: int, seed: int) -> dict[str, Tensor]:
    """So many scenes, a multiple of 64, and what is learnt from them."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(count // BATCH):
        shown = scenes(BATCH, rng)
        pictures = pixels(shown, sprites, rng)
        words = tokens(captions(shown, rng)).short()
        eight = ((pictures + 1) * 127.5).round().to(torch.uint8)
        rows.append((eight, encoded(model, pictures).half(), words))
    pictures, latents, words = (torch.cat(part).contiguous() for part in zip(*rows, strict=True))
    return {"pictures": pictures, "latents": latents, "tokens": words}


def main() -> None:
    """Draw and encode."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--artwork", type=Path, default=Path("runs/emoji/artwork/package/assets"))
    options.add_argument("--out", type=Path, default=Path("runs/control/pairs.safetensors"))
    options.add_argument("--count", type=int, default=12288, help="scenes, a multiple of 64")
    options.add_argument("--seed", type=int, default=7)
    asked = options.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    model = gesso.load(dtype="float32")
    save_file(drawn(model, Sprites(asked.artwork), asked.count, asked.seed), asked.out)
    print(asked.out)


if __name__ == "__main__":
    main()
