"""Spending: what a model's weights may take of the memory given while a request is carried out."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gesso.families.roundable import expected
from gesso.families.waiting import Waiting
from gesso.generation.estimate import working
from gesso.generation.large import present
from gesso.generation.plan import Plan
from gesso.model import Model
from gesso.runtime.memory import readable
from gesso.runtime.quantized import GRIDS

__all__ = ["Spending", "spending"]

SHARE = 4
"""Feature maps in memory, in units of what the largest layer has: what waits for the way up, and copies."""

ASIDE = 2**29
"""Bytes that nobody counts: weights in a library's own order, code that is loaded late, gaps in the heap.

As much again where weights are rounded, for the gaps that the wide ones leave.
"""


@dataclass(frozen=True)
class Spending:
    """How a model's denoiser is held while it paints.

    Args:
        waiting: its weights, if they wait in their file.
        stays: bytes of them that may stay between steps.
        traded: what is given for taking no more memory than allowed.
    """

    waiting: Waiting | None = None
    stays: int = 0
    traded: tuple[str, ...] = ()

    @contextmanager
    def at_work(self) -> Generator[None]:
        """The denoiser's network ready to be called while the block runs."""
        if self.waiting is None:
            yield
            return
        with self.waiting.flowing(self.stays):
            yield


def spending(model: Model, plan: Plan) -> Spending:
    """How the model's denoiser is held while the plan is carried out."""
    waiting = model.waiting.get("unet")
    if waiting is None or model.memory is None or not plan.passes:
        return Spending()
    work = ASIDE * (2 if model.grids("unet") else 1) + SHARE * int(working(model, plan))
    left = model.memory - present(model) - waiting.window - work
    stays = max(0, left)
    again = waiting.again(stays)
    texts = sum(each.nbytes for name, each in model.waiting.items() if name != "unet")
    said = (
        f"weights stay in {model.path.name}: {readable(again)} of the denoiser's {readable(waiting.nbytes)} "
        f"are read again at every step, the text encoders' {readable(texts)} for every prompt"
    )
    more = (f"about {readable(-left)} more than allowed may be taken",) if left < 0 else ()
    return Spending(waiting, stays, (said, *(_instead(model, stays) if again else ()), *more))


def _instead(model: Model, stays: int) -> Iterator[str]:
    """What else could be given for memory: the finest rounding with which nothing is read again."""
    network = model.networks["unet"]
    sizes = {name: expected(network, grids, model.dtype) for name, grids in GRIDS.items()}
    name = next((name for name, size in sizes.items() if size <= stays), None)
    if model.quantize == "none" and name is not None:
        yield f"--quantize {name} would keep all of it, in {readable(sizes[name])}; pictures would differ"
