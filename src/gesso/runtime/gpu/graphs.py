"""Graphs: a network's call recorded once and replayed, which spares a card's waiting for each kernel's launch.

Source: CUDA C++ Programming Guide, "CUDA Graphs"; torch.cuda.graph.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Replayed"]

KEPT = 4
"""How many sizes are kept recorded."""
Key = tuple[tuple[torch.Size, torch.dtype] | None, ...]


@dataclass(frozen=True)
class Recorded:
    """A call that was recorded.

    Args:
        graph: replays it.
        given: where it reads.
        answer: where it writes.
    """

    graph: torch.cuda.CUDAGraph
    given: tuple[Tensor | None, ...]
    answer: Tensor

    def __call__(self, *told: Tensor | None) -> Tensor:
        """The answer to other inputs of the same sizes."""
        for place, each in zip(self.given, told, strict=True):
            if place is not None and each is not None:
                place.copy_(each)
        self.graph.replay()
        return self.answer.clone()


class Replayed:
    """A network on a card that is recorded at the second call of a size, and replayed from the third.

    The first call compiles and chooses kernels, which cannot be recorded. Recordings hold the memory that the
    network's work takes, once for all sizes. They are forgotten when the network is not what it was: other
    weights, or something else on its layers.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self._state: tuple[object, ...] = ()
        self._held: tuple[object, ...] = ()
        self._known: dict[Key, Recorded | None] = {}
        self._pool: tuple[int, int] | None = None

    @contextmanager
    def steady(self) -> Generator[None]:
        """While the block runs, nothing about the network changes."""
        hooks = tuple(_hooks(self.network))
        state = (*map(id, hooks), *(each.data_ptr() for each in self.network.parameters()))
        if state != self._state:
            self.forget()
            # hooks are held, so that no other can be where one of them was
            self._state, self._held = state, hooks
        yield

    def forget(self) -> None:
        """Let all recordings go, and their memory."""
        self._known, self._pool = {}, None

    def __call__(self, *told: Tensor | None) -> Tensor:
        """The network's answer."""
        key: Key = tuple(None if each is None else (each.shape, each.dtype) for each in told)
        if key not in self._known:
            while len(self._known) >= KEPT:
                del self._known[next(iter(self._known))]
            self._known[key] = None
            return self.network(*told)
        known = self._known[key]
        if known is None:
            known = self._known[key] = self._record(told)
        return known(*told)

    def _record(self, told: tuple[Tensor | None, ...]) -> Recorded:
        given = tuple(None if each is None else each.clone() for each in told)
        graph = torch.cuda.CUDAGraph()
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        # other threads may use the card meanwhile
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            answer = self.network(*given)
        return Recorded(graph, given, answer)


def _hooks(network: nn.Module) -> Iterator[object]:
    for layer in network.modules():
        yield from layer._forward_hooks.values()
        yield from layer._forward_pre_hooks.values()
