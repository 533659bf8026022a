"""Second stage: UNet and text encoder learn together to paint what a caption says, in latents."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from gesso.networks.clip_text import ClipText
from gesso.networks.unet import UNet
from gesso.training.compiled import compilable
from gesso.training.loop import Loss, Run, Turn, stop_on_signals, train
from gesso.training.objective import Noised, Objective
from gesso.training.settings import TrainingSettings
from gesso.training.states import States
from studies.emoji.data import tokens
from studies.emoji.plan import LEVELS, new

SILENT = 0.1  # share of captions that are left empty, for guidance


class Painter(nn.Module):
    """Text encoder and UNet as one network."""

    def __init__(self) -> None:
        super().__init__()
        self.text = cast(ClipText, new("text", 0))
        self.unet = cast(UNet, compilable(new("unet", 1)))

    def forward(
        self, x: Float[Tensor, "b c h w"], t: Float[Tensor, " b"], ids: Int[Tensor, "b n"]
    ) -> Float[Tensor, "b c h w"]:
        """What the UNet answers for a caption."""
        context = self.text.final_norm(self.text(ids).hidden[-1])
        return self.unet(x, t, context)


@dataclass(frozen=True)
class Scenes:
    """Latents and caption tokens of all shards."""

    latents: Float[Tensor, "n c h w"]
    tokens: Int[Tensor, "n wordings positions"]

    @classmethod
    def load(cls, folder: Path) -> "Scenes":
        """All shards that are there."""
        shards = [load_file(path) for path in sorted(folder.glob("scenes-*.safetensors"))]
        return cls(torch.cat([s["latents"] for s in shards]), torch.cat([s["tokens"] for s in shards]))

    def batch(
        self, size: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "b c h w"], Int[Tensor, "b n"]]:
        """Scenes by chance, each with one of its captions or none."""
        rows = torch.randint(len(self.latents), (size,), generator=generator)
        wording = torch.randint(self.tokens.shape[1], (size,), generator=generator)
        ids = self.tokens[rows, wording].long()
        ids[torch.rand(size, generator=generator) < SILENT] = tokens([""])[0]
        return self.latents[rows].float().contiguous(memory_format=torch.channels_last), ids


def diffusion_loss(painter: Painter, data: Scenes, size: int) -> Loss:
    """The loss of a batch, compiled."""
    alphas = torch.tensor(LEVELS.alphas_cumprod, dtype=torch.float32)
    objective = Objective(alphas, "v")

    def loss(noised: Noised, ids: Tensor) -> Tensor:
        # plain products are faster than the fused attention's backward at these sizes
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            return objective(lambda x, t: painter(x, t, ids).float(), noised)

    fast = torch.compile(loss)

    def drawn(turn: Turn) -> Tensor:
        generator = turn.generator
        latents, ids = data.batch(size, generator)
        noise = torch.randn(latents.shape, generator=generator).contiguous(memory_format=torch.channels_last)
        t = torch.randint(len(alphas), (size,), generator=generator)
        return fast(Noised(latents, noise, t), ids)

    return drawn


def main() -> None:
    """Train or go on training; the state lies in the folder."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("runs/emoji"))
    options.add_argument("--steps", type=int, default=6700)
    options.add_argument("--batch", type=int, default=32)
    options.add_argument("--rate", type=float, default=6e-4)
    options.add_argument("--fall", type=float, default=0.5)
    asked = options.parse_args()
    folder: Path = asked.folder
    settings = TrainingSettings(
        steps=asked.steps, rate=asked.rate, fall=asked.fall, warmup=200, average=0.998, save_every=250
    )
    painter = Painter()
    painter.text.load_state_dict(load_file(folder / "text.safetensors"), strict=True)
    run = Run(painter, settings)
    states = States(folder / "painter")
    run.resume(states)
    loss = diffusion_loss(painter, Scenes.load(folder), asked.batch)
    with stop_on_signals() as stop:
        for progress in train(run, loss, states, stop):
            print(progress, flush=True)


if __name__ == "__main__":
    main()
