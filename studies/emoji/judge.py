"""The judge: says which object, how many and on what background, having seen renders only.

It has never seen a generated picture. Blur and noise on its training pictures keep it from asking for a
sharpness that has nothing to do with what is shown.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from gesso.training.loop import Run, train
from gesso.training.settings import TrainingSettings
from gesso.training.states import States
from studies.emoji.backgrounds import BACKGROUNDS
from studies.emoji.data import numbers, pixels
from studies.emoji.objects import Sprites, things
from studies.emoji.scenes import Scene

ANSWERS = (len(things()), 3, len(BACKGROUNDS))
BATCH = 64
SETTINGS = TrainingSettings(
    steps=900, rate=2e-3, warmup=50, fall=0.7, average=0.95, report_every=50, weight_decay=0.05
)


class Judge(nn.Sequential):
    """A small convolutional network with three answers: object, count, background."""

    def __init__(self) -> None:
        widths = (3, 32, 64, 128, 192, 256)
        strides = (2, 2, 1, 2, 1)
        layers: list[nn.Module] = []
        for i, stride in enumerate(strides):
            layers += [
                nn.Conv2d(widths[i], widths[i + 1], 5 if i == 0 else 3, stride, 2 if i == 0 else 1),
                nn.GroupNorm(16, widths[i + 1]),
                nn.ReLU(),
            ]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], sum(ANSWERS)))

    def logits(self, pictures: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b a"], ...]:
        """Of object, count and background."""
        return self(pictures).float().split(ANSWERS, dim=1)


@dataclass(frozen=True)
class Verdicts:
    """Whether each answer is right."""

    thing: Float[Tensor, " b"]
    thing_in_five: Float[Tensor, " b"]
    count: Float[Tensor, " b"]
    background: Float[Tensor, " b"]


def any_scenes(count: int, rng: np.random.Generator) -> list[Scene]:
    """Scenes of one kind of object, the combinations that training never shows among them."""
    return [
        Scene(
            (int(rng.integers(len(things()))),) * int(rng.integers(1, 4)), int(rng.integers(len(BACKGROUNDS)))
        )
        for _ in range(count)
    ]


def truth(scenes: list[Scene]) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"], Int[Tensor, " b"]]:
    """The right answers."""
    return (
        torch.tensor([scene.things[0] for scene in scenes]),
        torch.tensor([len(scene.things) - 1 for scene in scenes]),
        torch.tensor([scene.background for scene in scenes]),
    )


@torch.inference_mode()
def judge(network: Judge, pictures: Float[Tensor, "b 3 h w"], scenes: list[Scene]) -> Verdicts:
    """Compare what the judge sees with what was asked for."""
    logits = network.logits(pictures)
    right = truth(scenes)
    thing, count, background = (
        (answer.argmax(dim=1) == wanted).float() for answer, wanted in zip(logits, right, strict=True)
    )
    five = (logits[0].topk(5, dim=1).indices == right[0][:, None]).any(dim=1).float()
    return Verdicts(thing, five, count, background)


def load(folder: Path) -> Judge:
    """The trained judge."""
    network = Judge()
    network.load_state_dict(load_file(folder / "judge.safetensors"), strict=True)
    return network.eval()


def loss(network: Judge, sprites: Sprites, generator: torch.Generator) -> Tensor:
    """How wrong the judge is about fresh renders, some of them blurred or noisy."""
    rng = numbers(generator)
    drawn = any_scenes(BATCH, rng)
    pictures = _worn(pixels(drawn, sprites, rng), generator).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network.logits(pictures)
    return sum(
        (functional.cross_entropy(answer, right) for answer, right in zip(logits, truth(drawn), strict=True)),
        start=torch.zeros(()),
    )


def _worn(pictures: Float[Tensor, "b 3 h w"], generator: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """Half of the pictures blurred, all a little noisy."""
    soft = functional.avg_pool2d(functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = torch.rand(len(pictures), 1, 1, 1, generator=generator)
    mixed = torch.where(share < 0.5, pictures, pictures.lerp(soft, 2 * share - 1))
    return mixed + 0.05 * torch.randn(pictures.shape, generator=generator)


def main() -> None:
    """Train the judge and score it on renders that it has not seen."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("runs/emoji"))
    options.add_argument("--artwork", type=Path, default=Path("runs/emoji/artwork/package/assets"))
    asked = options.parse_args()
    torch.manual_seed(0)
    network = Judge()
    sprites, run = Sprites(asked.artwork), Run(network, SETTINGS)
    for progress in train(
        run, lambda turn: loss(network, sprites, turn.generator), States(asked.folder / "judge")
    ):
        print(progress, flush=True)
    network.load_state_dict(run.weights, strict=True)
    save_file(
        {name: w.contiguous() for name, w in network.state_dict().items()}, asked.folder / "judge.safetensors"
    )
    rng = np.random.default_rng(12345)
    drawn = any_scenes(2000, rng)
    verdicts = judge(network.eval(), pixels(drawn, sprites, rng), drawn)
    print({name: float(getattr(verdicts, name).mean()) for name in Verdicts.__dataclass_fields__})


if __name__ == "__main__":
    main()
