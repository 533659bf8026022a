"""The autoencoder in three stages: learn, learn with a little noise on the latents, then the decoder alone.

The noise makes latents that survive a UNet's small mistakes. The last stage can go on while the UNet trains,
since it leaves the latents as they are.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from gesso.networks.autoencoder import Autoencoder
from gesso.training.compiled import compilable
from gesso.training.loop import Loss, Run, Turn, stop_on_signals, train
from gesso.training.settings import TrainingSettings
from gesso.training.states import States
from studies.emoji.data import numbers, pixels, scenes
from studies.emoji.objects import Sprites
from studies.emoji.plan import SIDE, new
from studies.emoji.whiten import whiten

BATCH = 16
LATENT_PULL = 1e-6  # keeps latents from drifting to large numbers


@dataclass(frozen=True)
class Stage:
    """One of the stages.

    Args:
        noise: highest standard deviation of noise on the latents.
        varied: noise of any strength up to the highest, instead of the highest alone.
        squared: weight of squared errors beside absolute ones.
    """

    settings: TrainingSettings
    noise: float
    varied: bool
    squared: float


def _settings(steps: int, rate: float, average: float) -> TrainingSettings:
    return TrainingSettings(steps=steps, rate=rate, fall=1.0, average=average, weight_decay=1e-4)


STAGES = {
    "first": Stage(_settings(1850, 1e-3, 0.996), noise=0.0, varied=False, squared=2.0),
    "second": Stage(_settings(780, 7e-4, 0.998), noise=0.05, varied=False, squared=4.0),
    "decoder": Stage(_settings(3400, 7e-4, 0.998), noise=0.25, varied=True, squared=4.0),
}


def loss(
    network: Autoencoder, stage: Stage, pictures: Float[Tensor, "b 3 h w"], noise: Float[Tensor, "b c h w"]
) -> Tensor:
    """Absolute, squared and edge errors of what comes back."""
    with torch.autocast("cpu", torch.bfloat16):
        means = network.encode(pictures).mean.float()
        error = network.decode(means + noise).float() - pictures
    down, across = error[:, :, 1:] - error[:, :, :-1], error[..., 1:] - error[..., :-1]
    edges = down.abs().mean() + across.abs().mean()
    pull = 0.5 * means.square().mean()
    return error.abs().mean() + stage.squared * error.square().mean() + 0.5 * edges + LATENT_PULL * pull


def stage_loss(network: Autoencoder, stage: Stage, sprites: Sprites) -> Loss:
    """The loss of a batch of fresh scenes."""
    fast = torch.compile(loss)

    def drawn(turn: Turn) -> Tensor:
        generator = turn.generator
        rng = numbers(generator)
        pictures = pixels(scenes(BATCH, rng), sprites, rng).contiguous(memory_format=torch.channels_last)
        side = SIDE // network.factor
        strength = torch.rand(BATCH, 1, 1, 1, generator=generator) if stage.varied else torch.ones(())
        noise = stage.noise * strength * torch.randn(BATCH, 4, side, side, generator=generator)
        return fast(network, stage, pictures, noise)

    return drawn


@torch.inference_mode()
def quality(network: Autoencoder, sprites: Sprites) -> float:
    """Peak signal-to-noise ratio on 128 scenes, in decibels."""
    rng = np.random.default_rng(99)
    pictures = pixels(scenes(128, rng), sprites, rng)
    back = network.decode(network.encode(pictures).mean).clamp(-1, 1)
    return 10 * math.log10(4 / float((back - pictures).square().mean()))


def main() -> None:
    """Train one stage; after the first two, whiten the latents."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("stage", choices=STAGES)
    options.add_argument("--folder", type=Path, default=Path("runs/emoji"))
    options.add_argument("--artwork", type=Path, default=Path("runs/emoji/artwork/package/assets"))
    options.add_argument("--steps", type=int)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    stage = STAGES[asked.stage]
    settings = stage.settings.model_copy(
        update={"steps": asked.steps or stage.settings.steps, "seed": asked.seed}
    )
    path = asked.folder / "autoencoder.safetensors"
    network = cast(Autoencoder, compilable(new("autoencoder", 2)))
    if asked.stage != "first":
        network.load_state_dict(load_file(path), strict=True)
    if asked.stage == "decoder":
        network.encoder.requires_grad_(requires_grad=False)
        network.quant_conv.requires_grad_(requires_grad=False)
    sprites, run = Sprites(asked.artwork), Run(network, settings)
    states = States(asked.folder / f"autoencoder-{asked.stage}")
    run.resume(states)
    with stop_on_signals() as stop:
        for progress in train(run, stage_loss(network, stage, sprites), states, stop):
            print(progress, flush=True)
    if run.step < settings.steps:
        return
    network.load_state_dict(run.weights, strict=True)
    if asked.stage != "decoder":
        rng = np.random.default_rng(5)
        whiten(network, pixels(scenes(400, rng), sprites, rng))
    save_file({name: weight.contiguous() for name, weight in network.state_dict().items()}, path)
    print(f"{quality(network, sprites):.2f} dB")


if __name__ == "__main__":
    main()
