"""A ControlNet for the built-in checkpoint: scenes painted along the edges of a picture.

python -m studies.control.train_canny --out runs/control/canny.safetensors
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from gesso.annotators.edges import canny
from gesso.checkpoint.write import save
from gesso.networks.control_net import ControlNet, grown
from gesso.training.compiled import compilable
from gesso.training.loop import Run, stop_on_signals, train
from gesso.training.settings import TrainingSettings
from gesso.training.states import States
from studies.control.learning import Learning
from studies.control.pairs import Pairs

HINT_WIDTHS = (16, 32, 64)
"""How wide the edges are read at full size, a half and a quarter, where the latents are."""
TITLE = {"modelspec.title": "canny edges for emoji scenes", "modelspec.license": "Apache-2.0"}


def edges(pictures: Tensor) -> Float[Tensor, "n 1 s s"]:
    """Every picture's edges, 0 or 1."""
    drawn = [canny(picture) for picture in pictures.permute(0, 2, 3, 1).numpy()]
    return torch.from_numpy(np.stack(drawn))[:, None].float() / 255


@dataclass(frozen=True)
class Answer:
    """What the UNet answers when a ControlNet shows it the edges of each row of the pairs."""

    learning: Learning
    network: ControlNet
    hints: Float[Tensor, "n 1 s s"]

    def __call__(self, x: Tensor, t: Tensor, context: Tensor, rows: Tensor) -> Float[Tensor, "b c h w"]:
        """The noise or velocity."""
        hint = self.network.input_hint_block(self.hints[rows].expand(-1, 3, -1, -1))
        added = self.network(x, t, context, None, hint)
        return self.learning.unet(x, t, context, additions=added)


def main() -> None:
    """Train, or go on training."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--pairs", type=Path, default=Path("runs/control/pairs.safetensors"))
    options.add_argument("--out", type=Path, default=Path("runs/control/canny.safetensors"))
    options.add_argument("--steps", type=int, default=3200)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--rate", type=float, default=4e-4)
    asked = options.parse_args()
    learning = Learning.of(Pairs.load(asked.pairs))
    heads = learning.model.identity.facts.heads
    network = grown(learning.unet.requires_grad_(False), heads, torch.Generator().manual_seed(0), HINT_WIDTHS)
    compilable(network)
    settings = TrainingSettings(
        steps=asked.steps, rate=asked.rate, warmup=50, average=0.998, save_every=200, report_every=20
    )
    run = Run(network, settings)
    states = States(asked.out.with_suffix(".states"))
    run.resume(states)
    answer = Answer(learning, network, edges(learning.pairs.pictures))
    with stop_on_signals() as stop:
        for progress in train(run, learning.loss(answer, asked.batch), states, stop):
            print(progress, flush=True)
    weights = {f"control_model.{name}": value.half() for name, value in run.weights.items()}
    save(asked.out, weights, metadata=TITLE)


if __name__ == "__main__":
    main()
