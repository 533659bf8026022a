"""The judge: says which objects, how many, on what background and in which style, having seen renders only.

It has never seen a generated picture. Blur and noise on its training pictures keep it from asking for a
sharpness that has nothing to do with what is shown.
"""

import argparse
import json
from dataclasses import dataclass, fields, replace
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
from studies.emoji.data import labels, numbers, pixels
from studies.emoji.objects import Sprites, things
from studies.emoji.richer import drawn
from studies.emoji.scenes import Scene
from studies.emoji.styles import STYLES

ANSWERS = (len(things()), 3, len(BACKGROUNDS), len(STYLES))
BATCH = 64
SETTINGS = TrainingSettings(
    steps=1000, rate=2e-3, warmup=50, fall=0.7, average=0.95, report_every=50, weight_decay=0.05
)


class Judge(nn.Sequential):
    """A small convolutional network with four answers: objects, count, background, style."""

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
        """Of every object being there, and of count, background and style."""
        return self(pictures).float().split(ANSWERS, dim=1)

    def heat(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b objects rows columns"]:
        """How much each place speaks for each object.

        Source: class activation maps, Zhou et al. 2016, arXiv:1512.04150, eq. 2.
        """
        answers = self[-1]
        assert isinstance(answers, nn.Linear)
        features = self[:-3](pictures).float()
        return torch.einsum("bchw,ac->bahw", features, answers.weight[: len(things())])


@dataclass(frozen=True)
class Verdicts:
    """Whether each answer is right; 0 or 1.

    Args:
        thing: the asked objects are the likeliest.
        present: each of them is likelier there than not.
        place: of two objects, the first is to the left, or above where that was asked.
    """

    thing: Float[Tensor, " b"]
    thing_in_five: Float[Tensor, " b"]
    present: Float[Tensor, " b"]
    count: Float[Tensor, " b"]
    background: Float[Tensor, " b"]
    style: Float[Tensor, " b"]
    place: Float[Tensor, " b"]


def any_scenes(count: int, rng: np.random.Generator) -> list[Scene]:
    """Scenes of one object, of its copies or of two; combinations that training never shows among them."""
    return [_any_scene(rng) for _ in range(count)]


def _any_scene(rng: np.random.Generator) -> Scene:
    scene = drawn(rng, several=rng.random() < 0.35, styled=rng.random() < 0.4)
    return replace(scene, things=scene.things * int(rng.integers(1, 4))) if scene.alike else scene


@torch.inference_mode()
def judge(network: Judge, pictures: Float[Tensor, "b 3 h w"], scenes: list[Scene]) -> Verdicts:
    """Compare what the judge sees with what was asked for."""
    wanted = labels(scenes)
    shown, *others = network.logits(pictures)
    right = (wanted.count, wanted.background, styles(scenes))
    count, background, style = ((a.argmax(dim=1) == r).float() for a, r in zip(others, right, strict=True))
    kinds = wanted.things.sum(dim=1).long()
    order = shown.argsort(dim=1, descending=True).argsort(dim=1)  # 0 is the likeliest
    last = torch.where(wanted.things > 0, order, -1).amax(dim=1)
    present = torch.where(wanted.things > 0, shown, torch.inf).amin(dim=1) > 0
    heat = network.heat(pictures)
    place = torch.tensor([_placed(each, scene) for each, scene in zip(heat, scenes, strict=True)])
    return Verdicts(
        (last < kinds).float(), (last < 5).float(), present.float(), count, background, style, place.float()
    )


def styles(scenes: list[Scene]) -> Int[Tensor, " b"]:
    """Of every scene."""
    return torch.tensor([scene.style for scene in scenes])


def _placed(heat: Float[Tensor, "objects rows columns"], scene: Scene) -> bool:
    """Whether the first of two objects is where it was asked to be."""
    if scene.alike:
        return True
    first, second = (heat[thing].clamp(min=0).sum(dim=1 if scene.stacked else 0) for thing in scene.things)
    at = torch.arange(len(first), dtype=torch.float32)
    middles = [(each @ at) / each.sum().clamp(min=1e-6) for each in (first, second)]
    return bool(middles[0] < middles[1])


def load(folder: Path) -> Judge:
    """The trained judge."""
    network = Judge()
    network.load_state_dict(load_file(folder / "judge.safetensors"), strict=True)
    return network.eval()


def loss(network: Judge, sprites: Sprites, generator: torch.Generator) -> Tensor:
    """How wrong the judge is about fresh renders, some of them blurred or noisy."""
    rng = numbers(generator)
    seen = any_scenes(BATCH, rng)
    pictures = _worn(pixels(seen, sprites, rng), generator).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        shown, *others = network.logits(pictures)
    wanted = labels(seen)
    right = (wanted.count, wanted.background, styles(seen))
    wrong = functional.binary_cross_entropy_with_logits(shown, wanted.things, reduction="none").sum(dim=1)
    return wrong.mean() + sum(
        (functional.cross_entropy(answer, truth) for answer, truth in zip(others, right, strict=True)),
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
    print(json.dumps(own_error(network.eval(), sprites, 2000)))


def own_error(network: Judge, sprites: Sprites, count: int) -> dict[str, float]:
    """How often the judge is right about fresh renders: of one object and its copies, of two, and of less.

    "one taken for two" is how often two objects are called present where only the first of them is.
    """
    rng, found = np.random.default_rng(12345), dict[str, float]()
    scenes = any_scenes(count, rng)
    for name, part in (("one", [s for s in scenes if s.alike]), ("two", [s for s in scenes if not s.alike])):
        pictures = pixels(part, sprites, rng)
        verdicts = judge(network, pictures, part)
        for field in fields(Verdicts):
            found[f"{name}: {field.name}"] = round(float(getattr(verdicts, field.name).mean()), 4)
    alone = [replace(s, things=s.things[:1] * 2) for s in scenes if not s.alike]
    asked = [s for s in scenes if not s.alike]
    taken = judge(network, pixels(alone, sprites, rng), asked).present
    return found | {"one taken for two": round(float(taken.mean()), 4)}


if __name__ == "__main__":
    main()
