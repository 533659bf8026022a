"""The footprint of a step: the memory that it takes for a while, counted before it is taken.

The step is gone through on tensors without numbers, so nothing of it is held; shapes alone decide.
"""

import math
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gesso.training.lesson import Batch, Painting
from gesso.training.ranks import ALONE, Ranks
from gesso.training.setup import Ready

__all__ = ["Footprint", "Ledger", "footprint", "largest"]


@dataclass(frozen=True)
class Footprint:
    """Bytes that one step takes beside what is held all the time.

    Args:
        kept: for the way back, when the way there is done.
        most: at the worst moment, of everything but gradients.
        whole: the same with the gradients, none of which were there before the step.
    """

    kept: int
    most: int
    whole: int


@dataclass
class _Life:
    """A piece of memory: its size in bytes, and when it came and went, in operations."""

    size: int
    born: int
    died: int | None = None


class Ledger(TorchDispatchMode):
    """Keeps account of all tensor memory that operations make while the block runs.

    Args:
        known: tensors that were there before, whose memory is not counted.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self._known = {_key(each) for each in known}
        self._lives: list[_Life] = []
        self._now = 0
        self._there: dict[int, _Life] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called by torch for every operation."""
        found = func(*args, **(kwargs or {}))
        self._now += 1
        for each in tree_leaves(found):
            # what is on the meta device takes nothing, in truth also
            if isinstance(each, Tensor) and each.device.type != "meta":
                self._note(each)
        return found

    def _note(self, tensor: Tensor) -> None:
        key = _key(tensor)
        if key in self._known or key in self._there:
            return
        storage = tensor.untyped_storage()
        self._there[key] = _Life(storage.nbytes(), self._now)
        self._lives.append(self._there[key])
        weakref.finalize(storage, self._gone, key).atexit = False

    def _gone(self, key: int) -> None:
        self._there.pop(key).died = self._now

    def held(self) -> int:
        """Bytes that are there now."""
        return sum(each.size for each in self._there.values())

    def most(self, without: Iterable[Tensor] = ()) -> int:
        """Bytes at the worst moment so far, as if these tensors were not."""
        left_out = {id(self._there.get(_key(each))) for each in without}
        changes = [
            change for each in self._lives if id(each) not in left_out for change in _changes(each, self._now)
        ]
        highest = level = 0
        # what an operation needed goes when what it made is there
        for _, change in sorted(changes, key=lambda each: (each[0], -each[1])):
            level += change
            highest = max(highest, level)
        return highest


def _key(tensor: Tensor) -> int:
    storage: Any = tensor.untyped_storage()
    return storage._cdata


def _changes(life: _Life, now: int) -> Iterator[tuple[int, int]]:
    yield life.born, life.size
    yield (now + 1 if life.died is None else life.died), -life.size


def largest(ready: Ready) -> Batch:
    """A batch of the picture that takes the most memory."""
    entry = max(ready.album.entries, key=lambda each: math.prod(each.views[0].fit.bucket))
    return ready.album.shown([(entry, entry.views[0], entry.caption)] * ready.setup.recipe.batch)


def footprint(ready: Ready, ranks: Ranks = ALONE) -> Footprint:
    """What one step of a run takes in one process, on its largest batch."""
    lesson, whole = ready.lesson, largest(ready)
    noised = lesson.draws(whole, torch.Generator().manual_seed(0))
    share = ranks.rows(len(whole.files))
    batch, noised = whole.rows(share), noised.rows(share)
    if isinstance(lesson, Painting):
        # what is read of captions is kept from then on, and must have numbers
        lesson.telling(batch.captions, batch.sizes)
        lesson = replace(lesson, compiled=None)
    return _counted(ready, lambda: lesson.losses(batch, noised).mean())


def _counted(ready: Ready, loss: Callable[[], Tensor]) -> Footprint:
    """What a loss and its gradients take."""
    modules = (*ready.setup.model.networks.values(), ready.subject.module)
    held = chain.from_iterable(chain(each.parameters(), each.buffers()) for each in modules)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        known = [mode.from_tensor(each) for each in held if type(each) in {Tensor, nn.Parameter}]
        with ready.learning(), Ledger(known) as ledger:
            found = loss()
            kept = ledger.held()
            learnt = [each for each in ready.subject.module.parameters() if each.requires_grad]
            gradients: Any = torch.autograd.grad(found, learnt, allow_unused=True)
        given = [each for each in gradients if each is not None]
        return Footprint(kept, ledger.most(given), ledger.most())
