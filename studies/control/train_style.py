"""A LoRA that turns what the built-in checkpoint paints into ink drawings.

python -m studies.control.train_style --out runs/control/ink.safetensors
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from gesso.training.loop import Run, stop_on_signals, train
from gesso.training.settings import TrainingSettings
from gesso.training.states import States
from studies.control.ink import ink
from studies.control.learning import Learning
from studies.control.lora import Lora, write
from studies.control.pairs import Pairs, encoded

TITLE = {"modelspec.title": "ink on paper", "ss_base_model_version": "sd_v1"}


@torch.inference_mode()
def restyled(learning: Learning, count: int) -> Pairs:
    """The first pairs with their pictures in ink."""
    pictures = ink(learning.pairs.pictures[:count])
    latents = torch.cat(
        [encoded(learning.model, part.float() / 127.5 - 1).half() for part in pictures.split(64)]
    )
    return Pairs(pictures, latents.clone(), learning.pairs.tokens[:count])


def main() -> None:
    """Train, or go on training."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--pairs", type=Path, default=Path("runs/control/pairs.safetensors"))
    options.add_argument("--out", type=Path, default=Path("runs/control/ink.safetensors"))
    options.add_argument("--count", type=int, default=2048, help="pictures of the style, a multiple of 64")
    options.add_argument("--steps", type=int, default=700)
    options.add_argument("--batch", type=int, default=16)
    options.add_argument("--rank", type=int, default=8)
    options.add_argument("--rate", type=float, default=2e-3)
    asked = options.parse_args()
    learning = Learning.of(Pairs.load(asked.pairs))
    learning = replace(learning, pairs=restyled(learning, asked.count))
    lora = Lora(learning.unet, asked.rank)
    settings = TrainingSettings(
        steps=asked.steps, rate=asked.rate, warmup=20, average=0.98, save_every=100, report_every=20
    )
    run = Run(lora, settings)
    states = States(asked.out.with_suffix(".states"))
    run.resume(states)

    def answer(x: Tensor, t: Tensor, context: Tensor, _: Tensor) -> Tensor:
        return learning.unet(x, t, context)

    with stop_on_signals() as stop:
        for progress in train(run, learning.loss(answer, asked.batch), states, stop):
            print(progress, flush=True)
    write(asked.out, dict(run.weights), TITLE)


if __name__ == "__main__":
    main()
