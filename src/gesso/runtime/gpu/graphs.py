"""Graphs: a network's call recorded once and replayed: a card need not wait for each kernel's launch.

Source: CUDA C++ Programming Guide, "CUDA Graphs"; torch.cuda.graph.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Answer", "Given", "Recorder", "Replayed"]

KEPT = 4
"""How many sizes are kept recorded."""
Given = tuple[Tensor | None, ...]
Answer = Tensor | tuple[Tensor, ...]
Call = Callable[..., Answer]
Key = tuple[tuple[torch.Size, torch.dtype] | None, ...]
Recorder = Callable[[Call, Given], tuple[Callable[[], None], Answer]]
"""(what is recorded, its inputs) → what computes the answer anew from what is in the inputs by then, and the
answer."""


class CardRecorder:
    """Records on a card; all recordings work in the same memory."""

    def __init__(self) -> None:
        # what torch calls it differs between its versions
        self._pool: Any = None

    def __call__(self, call: Call, given: Given) -> tuple[Callable[[], None], Answer]:
        """Record a call; as `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        # other threads may use the card meanwhile
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            answer = call(*given)
        return graph.replay, answer


@dataclass(frozen=True)
class Recorded:
    """A call that was recorded.

    Args:
        replay: computes the answer.
        given: where it reads.
        answer: where it writes.
    """

    replay: Callable[[], None]
    given: Given
    answer: Answer

    def __call__(self, *told: Tensor | None) -> Answer:
        """The answer to other inputs of the same sizes."""
        for place, each in zip(self.given, told, strict=True):
            if place is not None and each is not None:
                place.copy_(each)
        self.replay()
        if isinstance(self.answer, Tensor):
            return self.answer.clone()
        return tuple(each.clone() for each in self.answer)


class Replayed:
    """A network on a card that is recorded at the second call of a size, and replayed from the third.

    The first call compiles and chooses kernels, which cannot be recorded. Recordings hold the memory that the
    network's work takes. They are forgotten when the network is not what it was: other weights, or something
    else on its layers.

    Args:
        network: on the card.
        call: what is recorded; unless given, the network's own call.
        recorder: makes recorders; each works in a memory of its own.
    """

    def __init__(
        self, network: nn.Module, call: Call | None = None, recorder: Callable[[], Recorder] = CardRecorder
    ) -> None:
        self._call: Call = call or network
        self._layers = tuple(network.modules())
        self._recorder = recorder
        self._state: tuple[object, ...] = ()
        self._hooks: tuple[object, ...] = ()
        self.forget()

    @contextmanager
    def steady(self) -> Generator[None]:
        """While the block runs, nothing about the network changes."""
        if any(self._known.values()) and self._now()[0] != self._state:
            self.forget()
        yield

    def forget(self) -> None:
        """Let all recordings go, and their memory."""
        self._known: dict[Key, Recorded | None] = {}
        self._records = self._recorder()

    def __call__(self, *told: Tensor | None) -> Answer:
        """The network's answer."""
        key: Key = tuple(None if each is None else (each.shape, each.dtype) for each in told)
        if key not in self._known:
            while len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            self._known[key] = None
            return self._call(*told)
        known = self._known[key]
        if known is None:
            known = self._known[key] = self._recorded(told)
        return known(*told)

    def _recorded(self, told: Given) -> Recorded:
        # only now: the first call may have laid weights elsewhere
        self._state, self._hooks = self._now()
        given = tuple(None if each is None else each.clone() for each in told)
        replay, answer = self._records(self._call, given)
        return Recorded(replay, given, answer)

    def _now(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        """Where weights are and which hooks there are; and the hooks, that no other may be where one was."""
        hooks, weights = tuple(_hooks(self._layers)), _weights(self._layers)
        return (*map(id, hooks), *(each.data_ptr() for each in weights)), hooks


def _weights(layers: Iterable[nn.Module]) -> Iterator[Tensor]:
    for layer in layers:
        inside: Any = layer
        # not `parameters`, which takes some milliseconds for a large network
        yield from (each for each in inside._parameters.values() if each is not None)


def _hooks(layers: Iterable[nn.Module]) -> Iterator[object]:
    for layer in layers:
        inside: Any = layer
        yield from inside._forward_hooks.values()
        yield from inside._forward_pre_hooks.values()
