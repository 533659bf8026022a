"""Needs: how much memory a run takes beside what its steps hold for a moment, known before the first step."""

from dataclasses import dataclass, replace

from torch import nn

from gesso.errors import OutOfMemory
from gesso.runtime.memory import available, readable
from gesso.training.ranks import ALONE, Ranks
from gesso.training.recipe import Training
from gesso.training.settings import TENSORWISE
from gesso.training.setup import Ready

__all__ = ["Needs", "check", "needs"]

FLOAT = 4
STATES = {"adamw": 2.0, "sgd": 1.0, "adafactor": 0.0, "lion": 1.0}
"""Numbers that an optimizer keeps for each that is trained; rows and columns alone are counted as none."""
CAUTIOUS = 2.0
"""For the other optimizers."""


@dataclass(frozen=True)
class Needs:
    """Bytes that are held from the first step to the last.

    Args:
        weights: of all networks, and of what is trained beside them; they are loaded already.
        gradients: of what is trained.
        optimizer: what it keeps.
        average: a copy of what is trained.
    """

    weights: int
    gradients: int
    optimizer: int
    average: int

    @property
    def more(self) -> int:
        """What is taken beside the weights."""
        return self.gradients + self.optimizer + self.average

    def text(self) -> str:
        """For reading."""
        parts = ("weights", "gradients", "optimizer", "average")
        each = ", ".join(f"{name} {readable(getattr(self, name))}" for name in parts)
        return f"memory: {each}; what a step keeps for its way back comes on top"


def needs(ready: Ready, ranks: Ranks = ALONE) -> Needs:
    """What a process of a run holds."""
    networks = (*ready.setup.model.networks.values(), ready.subject.module)
    weights = {id(each): each for network in networks for each in network.parameters()}
    settings = ready.setup.recipe.run
    trained = FLOAT * _count(ready.subject.module) // (ranks.size if settings.shard else 1)
    return Needs(
        weights=sum(each.nbytes for each in weights.values()),
        gradients=0 if settings.fused_backward else trained,
        optimizer=int(trained * STATES.get(settings.optimizer, CAUTIOUS)),
        average=trained if settings.average else 0,
    )


def check(ready: Ready, ranks: Ranks = ALONE) -> Needs:
    """What a process of a run holds, refused where that cannot fit.

    Raises:
        OutOfMemory: says what is needed, what there is, and which switches make it fit.
    """
    found, free = needs(ready, ranks), available(ready.setup.model.device)
    if free is not None and found.more > free:
        raise OutOfMemory(
            f"training must fit into memory, however: it takes {readable(found.more)} beside the weights, "
            f"with {readable(free)} free",
            hint=_switches(found, free, ready.setup.recipe),
        )
    return found


def _switches(found: Needs, free: int, recipe: Training) -> str:
    """What would make it fit, the least first."""
    fused = replace(found, gradients=0)
    lean = replace(found, average=0)
    ways = {
        "run.fused_backward = true": fused,
        "run.average = 0": lean,
        "run.average = 0 and run.fused_backward = true": replace(fused, average=0),
        "run.average = 0 and run.optimizer = adafactor": replace(lean, optimizer=0),
        "run.average = 0, run.fused_backward = true and run.optimizer = adafactor": replace(
            fused, average=0, optimizer=0
        ),
    }
    if recipe.run.accumulate > 1 or recipe.run.optimizer not in TENSORWISE:
        ways = {way: each for way, each in ways.items() if "fused_backward" not in way}
    fitting = [way for way, needed in ways.items() if needed.more <= free]
    if recipe.subject.kind == "full":
        fitting.append("subject.kind = lora")
    return f"fits with {fitting[0]}" if fitting else "close other programs, or train with a lower rank"


def _count(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())
