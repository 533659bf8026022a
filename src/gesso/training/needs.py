"""Needs: how much memory a run takes, known before the first step."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch import nn

from gesso.errors import OutOfMemory
from gesso.runtime.kept import taken
from gesso.runtime.memory import available, readable
from gesso.training.footprint import Footprint, footprint
from gesso.training.ranks import ALONE, Ranks
from gesso.training.recipe import Training
from gesso.training.recomputing import KINDS
from gesso.training.settings import TENSORWISE
from gesso.training.setup import Ready

__all__ = ["Needs", "check", "needs"]

FLOAT = 4
STATES = {
    "adamw": 2.0,
    "sgd": 1.0,
    "adafactor": 0.0,
    "lion": 1.0,
    "adamw8bit": 2 * (8 / 32 + 1 / 256),
    "adamw4bit": 2 * (4 / 32 + 1 / 128),
    "pagedadamw": 0.0,
    "pagedadamw8bit": 0.0,
}
"""Numbers of 32 bits that an optimizer keeps for each that is trained; rows and columns alone, and what is
paged out, are counted as none."""
CAUTIOUS = 2.0
"""For the other optimizers."""


@dataclass(frozen=True)
class Needs:
    """Bytes that a run takes.

    Args:
        weights: of all networks, and of what is trained beside them; they are loaded already.
        gradients: of what is trained.
        optimizer: what it keeps.
        average: a copy of what is trained.
        step: what a step takes for a while beside all that: what it keeps for its way back, mostly.
    """

    weights: int
    gradients: int
    optimizer: int
    average: int
    step: int

    @property
    def more(self) -> int:
        """What is taken beside the weights."""
        return self.gradients + self.optimizer + self.average + self.step

    def text(self) -> str:
        """For reading."""
        parts = ("weights", "gradients", "optimizer", "average", "step")
        each = ", ".join(f"{name} {readable(getattr(self, name))}" for name in parts)
        return f"memory: {each}"


Counting = Callable[[str], Footprint]
"""What a step takes, by how much of it is worked out again."""


def needs(ready: Ready, ranks: Ranks = ALONE) -> Needs:
    """What a process of a run takes."""
    return _needs(ready, ready.setup.recipe, _counting(ready, ranks), ranks)


def check(ready: Ready, ranks: Ranks = ALONE) -> Needs:
    """What a process of a run takes, refused where that cannot fit.

    Raises:
        OutOfMemory: says what is needed, what there is, and which switches make it fit.
    """
    counting = _counting(ready, ranks)
    found, free = _needs(ready, ready.setup.recipe, counting, ranks), available(ready.setup.model.device)
    if free is not None and found.more > free:
        ways = _ways(ready.setup.recipe)
        fitting = (way for way, other in ways if _needs(ready, other, counting, ranks).more <= free)
        hint = next(fitting, None)
        raise OutOfMemory(
            f"training must fit into memory, however: it takes {readable(found.more)} beside the weights, "
            f"with {readable(free)} free",
            hint=f"fits with {hint}" if hint else _last(ready.setup.recipe),
        )
    return found


def _counting(ready: Ready, ranks: Ranks) -> Counting:
    @cache
    def counted(recompute: str) -> Footprint:
        return footprint(ready.with_recipe({"recompute": recompute}), ranks)

    return counted


def _needs(ready: Ready, recipe: Training, counting: Counting, ranks: Ranks) -> Needs:
    """What a process takes of a run of the same subject."""
    networks = (*ready.setup.model.networks.values(), ready.subject.module)
    weights = {id(each): each for network in networks for each in network.parameters()}
    settings = recipe.run
    trained = FLOAT * _count(ready.subject.module) // (ranks.size if settings.shard else 1)
    gradients = 0 if settings.fused_backward else trained
    step = counting(recipe.recompute)
    # the gradients come one by one while what was kept goes, unless those of a batch before are there
    together = settings.fused_backward or settings.shard or settings.accumulate > 1
    return Needs(
        weights=sum(taken(each) for each in weights.values()),
        gradients=gradients,
        optimizer=int(trained * STATES.get(settings.optimizer, CAUTIOUS)),
        average=trained if settings.average else 0,
        step=step.most if together else max(0, step.whole - gradients),
    )


Change = Mapping[str, Any]
FUSED: Change = {"fused_backward": True}
LEAN: Change = {"average": 0.0}
ROUGH: Change = {"optimizer": "adafactor"}
CHANGES: tuple[Change, ...] = ({}, FUSED, LEAN, LEAN | FUSED, LEAN | ROUGH, LEAN | FUSED | ROUGH)
"""Of a run's settings, the least first."""


def _ways(recipe: Training) -> Iterator[tuple[str, Training]]:
    """What takes less, the least change first: in words, and as a recipe."""
    again = tuple(KINDS) if not recipe.compiled else (recipe.recompute,)
    again = again[again.index(recipe.recompute) :]
    for change in CHANGES:
        if "fused_backward" in change and (
            recipe.run.accumulate > 1 or change.get("optimizer", recipe.run.optimizer) not in TENSORWISE
        ):
            continue
        run = recipe.run.model_copy(update=change)
        for recompute in again:
            words = [f"run.{name} = {str(value).lower()}" for name, value in change.items()]
            words += [f"recompute = {recompute}"] if recompute != recipe.recompute else []
            if words:
                said = f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
                yield said, recipe.model_copy(update={"run": run, "recompute": recompute})


def _last(recipe: Training) -> str:
    """What may help where no switch does."""
    if recipe.subject.kind == "full":
        return "fits perhaps with subject.kind = lora, a smaller size or a smaller batch"
    return "close other programs, or train with a lower rank, a smaller size or a smaller batch"


def _count(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())
