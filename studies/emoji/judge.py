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
from studies.emoji.data import numbers, pixels
from studies.emoji.objects import Sprites, things
from studies.emoji.richer import drawn
from studies.emoji.scenes import Scene
from studies.emoji.styles import PLAINLY, STYLES

ANSWERS = (len(things()), 3, len(BACKGROUNDS), len(STYLES))
BATCH = 64
SETTINGS = TrainingSettings(
    steps=2850, rate=2e-3, warmup=50, fall=0.7, average=0.95, report_every=50, weight_decay=0.05
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
        """Of object, count, background and style."""
        return self(pictures).float().split(ANSWERS, dim=1)


@dataclass(frozen=True)
class Verdicts:
    """Whether each answer is right; 0 or 1.

    Args:
        thing: the asked object is the likeliest; of two, both are found, each in one half.
        thing_in_five: it is among the five likeliest; of two, each where it should be.
        place: of two, both are found, each where it should be.
    """

    thing: Float[Tensor, " b"]
    thing_in_five: Float[Tensor, " b"]
    count: Float[Tensor, " b"]
    background: Float[Tensor, " b"]
    style: Float[Tensor, " b"]
    place: Float[Tensor, " b"]


def any_scenes(count: int, rng: np.random.Generator) -> list[Scene]:
    """Scenes of one object, of its copies or of two; combinations that training never shows among them."""
    return [_any_scene(rng) for _ in range(count)]


def _any_scene(rng: np.random.Generator) -> Scene:
    scene = drawn(rng, several=rng.random() < 0.25, styled=rng.random() < 0.35)
    return replace(scene, things=scene.things * int(rng.integers(1, 4))) if scene.alike else scene


def halves(picture: Float[Tensor, "3 h w"], scene: Scene) -> Float[Tensor, "2 3 h w"]:
    """Of a picture of two objects the square around each, enlarged to the size of the whole.

    Where a picture has one object, or its copies, the whole twice.
    """
    if scene.alike:
        return torch.stack([picture, picture])
    rows = picture.transpose(1, 2) if scene.stacked else picture
    half, quarter = picture.shape[1] // 2, picture.shape[1] // 4
    parts = torch.stack([rows[:, quarter:-quarter, :half], rows[:, quarter:-quarter, half:]])
    parts = parts.transpose(2, 3) if scene.stacked else parts
    return functional.interpolate(parts, picture.shape[1:], mode="bilinear")


@torch.inference_mode()
def judge(network: Judge, pictures: Float[Tensor, "b 3 h w"], scenes: list[Scene]) -> Verdicts:
    """Compare what the judge sees with what was asked for."""
    _, *others = network.logits(pictures)
    count, background, style = (
        (answer.argmax(dim=1) == right).float() for answer, right in zip(others, truth(scenes), strict=True)
    )
    parts = [halves(picture, scene) for picture, scene in zip(pictures, scenes, strict=True)]
    first, second = (network.logits(torch.stack(each))[0] for each in zip(*parts, strict=True))
    wanted = torch.tensor([(scene.things[0], scene.things[-1]) for scene in scenes])
    found = torch.stack([first.argmax(dim=1), second.argmax(dim=1)], dim=1)
    both = (found.sort(dim=1).values == wanted.sort(dim=1).values).all(dim=1)
    five = torch.stack([_in_five(first, wanted[:, 0]), _in_five(second, wanted[:, 1])]).all(dim=0)
    place = (found == wanted).all(dim=1)
    return Verdicts(both.float(), five.float(), count, background, style, place.float())


def _in_five(logits: Float[Tensor, "b objects"], wanted: Int[Tensor, " b"]) -> Tensor:
    return (logits.topk(5, dim=1).indices == wanted[:, None]).any(dim=1)


def truth(scenes: list[Scene]) -> tuple[Int[Tensor, " b"], ...]:
    """Count, background and style of every scene."""
    return (
        torch.tensor([len(scene.things) - 1 for scene in scenes]),
        torch.tensor([scene.background for scene in scenes]),
        torch.tensor([scene.style for scene in scenes]),
    )


def load(folder: Path) -> Judge:
    """The trained judge."""
    network = Judge()
    network.load_state_dict(load_file(folder / "judge.safetensors"), strict=True)
    return network.eval()


def loss(network: Judge, sprites: Sprites, generator: torch.Generator) -> Tensor:
    """How wrong the judge is about fresh renders, some blurred or noisy; of two objects about one half."""
    rng = numbers(generator)
    seen = any_scenes(BATCH, rng)
    whole = pixels(seen, sprites, rng)
    sides = [0 if scene.alike else int(rng.integers(2)) for scene in seen]
    parts = [halves(*each)[side] for each, side in zip(zip(whole, seen, strict=True), sides, strict=True)]
    shown = [
        scene if scene.alike else replace(scene, things=scene.things[side : side + 1])
        for scene, side in zip(seen, sides, strict=True)
    ]
    pictures = _worn(torch.stack(parts), generator).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network.logits(pictures)
    right = (torch.tensor([scene.things[0] for scene in shown]), *truth(shown))
    return torch.stack(
        [functional.cross_entropy(answer, each) for answer, each in zip(logits, right, strict=True)]
    ).sum()


def _worn(pictures: Float[Tensor, "b 3 h w"], generator: torch.Generator) -> Float[Tensor, "b 3 h w"]:
    """Half of the pictures blurred, some little and some as much as a young model's, all a little noisy."""
    share = torch.rand(len(pictures), 1, 1, 1, generator=generator)
    wide = torch.rand(len(pictures), 1, 1, 1, generator=generator) < 0.5
    soft = torch.where(wide, _blurred(_blurred(pictures, 5), 5), _blurred(pictures, 3))
    mixed = torch.where(share < 0.5, pictures, pictures.lerp(soft, 2 * share - 1))
    return mixed + 0.05 * torch.randn(pictures.shape, generator=generator)


def _blurred(pictures: Float[Tensor, "b 3 h w"], side: int) -> Float[Tensor, "b 3 h w"]:
    """Every pixel the mean of a square around it."""
    around = functional.pad(pictures, (side // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(around, side, 1)


def main() -> None:
    """Train the judge and score it on renders that it has not seen."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--folder", type=Path, default=Path("runs/emoji"))
    options.add_argument("--artwork", type=Path, default=Path("runs/emoji/artwork/package/assets"))
    asked = options.parse_args()
    torch.manual_seed(0)
    network = Judge()
    sprites, run, states = Sprites(asked.artwork), Run(network, SETTINGS), States(asked.folder / "judge")
    run.resume(states)
    for progress in train(run, lambda turn: loss(network, sprites, turn.generator), states):
        print(progress, flush=True)
    network.load_state_dict(run.weights, strict=True)
    save_file(
        {name: w.contiguous() for name, w in network.state_dict().items()}, asked.folder / "judge.safetensors"
    )
    print(json.dumps(own_error(network.eval(), sprites, 3000)))


def own_error(network: Judge, sprites: Sprites, count: int) -> dict[str, float]:
    """How often the judge is right about fresh renders: of one object and its copies by style, and of two."""
    rng, found = np.random.default_rng(12345), dict[str, float]()
    scenes = any_scenes(count, rng)
    groups = {f"one, {s.name}": [e for e in scenes if e.alike and e.style == i] for i, s in enumerate(STYLES)}
    groups["two"] = [scene for scene in scenes if not scene.alike and scene.style == PLAINLY]
    for name, part in groups.items():
        verdicts = judge(network, pixels(part, sprites, rng), part)
        for field in fields(Verdicts):
            found[f"{name}: {field.name}"] = round(float(getattr(verdicts, field.name).mean()), 4)
    return found


if __name__ == "__main__":
    main()
