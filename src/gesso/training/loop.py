"""The training loop: batches in, better weights out; a stopped run goes on exactly where it was."""

import math
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from gesso.errors import BrokenFile, NotFinite
from gesso.training.averaging import Average
from gesso.training.power import PowerAverage
from gesso.training.ranks import ALONE, Ranks, all_there
from gesso.training.settings import TrainingSettings
from gesso.training.sharding import load_parts, save_parts, shard
from gesso.training.states import States
from gesso.training.stepping import Now, Stepping, stepping

__all__ = ["Loss", "Progress", "Run", "Saved", "Turn", "share_of_rate", "stop_on_signals", "train"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One batch's turn.

    Args:
        number: of the batch, counted from 0 over the whole run.
        generator: every random number of the batch comes from it.
    """

    number: int
    generator: torch.Generator


Loss = Callable[[Turn], Tensor]
"""The loss of one batch."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A report on the steps since the last one.

    Args:
        step: steps done.
        loss: mean over the reported steps.
        losses: of each of them.
        seconds: spent on the reported steps.
    """

    step: int
    loss: float
    losses: tuple[float, ...]
    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Saved:
    """The state is saved."""

    step: int


@dataclass
class Run:
    """A network in training and all that its next step depends on, random numbers included.

    The random numbers of a step come from the seed and the step's number, so that the number is their state.

    Args:
        network: whose parameters are trained; those of modules named text… have a rate of their own.
        step: steps done.
        ranks: the processes that learn together.
    """

    network: nn.Module
    settings: TrainingSettings
    step: int = 0
    ranks: Ranks = ALONE
    average: Average | None = field(init=False)
    powers: dict[float, PowerAverage] = field(init=False)
    stepping: Stepping = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        if settings.shard:
            shard(self.network, self.ranks)
        self.average = Average(self.network, settings.average) if settings.average else None
        self.powers = {width: PowerAverage(self.network, width) for width in settings.widths}
        self.stepping = stepping(self.network, settings, self.ranks)

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """What the run has learnt, by the parameters' names: their average, if one is kept."""
        if self.average is not None:
            return self.average.weights
        return {name: weight.detach() for name, weight in self.network.named_parameters()}

    def _state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": {} if self.average is None else dict(self.average.weights),
            "powers": {str(width): each.weights for width, each in self.powers.items()},
            "optimizer": self.stepping.state(),
        }

    def save(self, states: States) -> None:
        """Write down all that the next step depends on; of what all processes hold, only the first does."""
        if self.settings.shard:
            save_parts(states, self.step, self._state(), self.ranks)
        elif self.ranks.first:
            states.save(self.step, self._state())

    def resume(self, states: States) -> bool:
        """Go on from the newest saved state; False where there is none.

        Raises:
            BrokenFile: it is not one of this run.
        """
        paths = states.paths()
        if not paths:
            return False
        path = paths[-1]
        try:
            state = self._read(path)
            self.network.load_state_dict(state["network"], strict=True)
            if self.average is not None:
                self.average.load(state["average"])
            for width, each in self.powers.items():
                each.load(state["powers"][str(width)])
            self.stepping.load(state["optimizer"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise BrokenFile(
                f"a saved state must be of the same run, however: {path} is of another",
                hint=str(error).splitlines()[0],
            ) from error
        self.step = state["step"]
        return True

    def _read(self, path: Path) -> dict[str, Any]:
        if path.is_dir() != self.settings.shard:
            raise ValueError("one that is kept in parts goes on with run.shard, another without")
        if not self.settings.shard:
            return States.read(path)
        state = self._state()
        load_parts(path, state, self.ranks)
        return state


def share_of_rate(settings: TrainingSettings, step: int) -> float:
    """What part of the highest rate a step has, counted from 0: a rise, a plateau, half a cosine down to 0.

    Source: the cosine of Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, over the last part only.
    """
    rise = min(1.0, (step + 1) / (settings.warmup + 1))
    begin = settings.steps * (1 - settings.fall)
    if step < begin or settings.steps == begin:
        return rise
    gone = min(1.0, (step - begin) / (settings.steps - begin))
    return rise * 0.5 * (1 + math.cos(math.pi * gone))


@contextmanager
def stop_on_signals() -> Generator[Event]:
    """An event that SIGTERM and Ctrl-C set, instead of ending the program, until the block is left."""
    stop = Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def train(run: Run, loss: Loss, states: States, stop: Event | None = None) -> Iterator[Progress | Saved]:
    """Train to the run's last step, or until stopped; the state is saved then, and every so often.

    Args:
        states: where the state is saved.
        stop: set it to end after the step in progress.

    Raises:
        NotFinite: the loss overflowed; the last saved state is as it was.
    """
    settings, since, losses = run.settings, time.monotonic(), list[Tensor]()
    saved = run.step
    while run.step < settings.steps and not run.ranks.any(stop is not None and stop.is_set()):
        losses.append(_step(run, loss))
        saving = run.step == settings.steps or run.step % settings.save_every == 0
        # told before saved: what a state has behind it is on record
        if saving or run.step % settings.report_every == 0:
            yield _report(run, losses, since)
            since, losses = time.monotonic(), []
        if saving:
            run.save(states)
            saved = run.step
            yield Saved(saved)
            since = time.monotonic()
    if losses:
        yield _report(run, losses, since)
    if saved != run.step:
        run.save(states)
        yield Saved(run.step)


def _step(run: Run, loss: Loss) -> Tensor:
    """One optimizer step; its mean loss."""
    settings = run.settings
    parts: list[Tensor] = []
    now = Now(run.step, share_of_rate(settings, run.step))
    with all_there(run.ranks.size), run.stepping.moving(now):
        for i in range(settings.accumulate):
            part = loss(_turn(settings.seed, run.step * settings.accumulate + i)) / settings.accumulate
            parts.append(part.detach())
            _finite(part, run.step)
            part.backward()
    total = torch.stack(parts).sum()
    run.ranks.average([total])
    for average in (run.average, *run.powers.values()):
        if average is not None:
            average.update(run.network, run.step)
    run.step += 1
    return total


def _finite(loss: Tensor, step: int) -> None:
    if not torch.isfinite(loss):
        raise NotFinite(f"the loss must be finite, however: it is {float(loss.detach())} in step {step}")


def _turn(seed: int, batch: int) -> Turn:
    # neighbouring numbers must not give overlapping streams: spread them over 63 bits
    mixed = (seed * 0x9E3779B97F4A7C15 + batch * 0xD1B54A32D192ED03 + 1) & (2**63 - 1)
    return Turn(batch, torch.Generator().manual_seed(mixed))


def _report(run: Run, losses: list[Tensor], since: float) -> Progress:
    each = tuple(torch.stack(losses).tolist())
    rate = run.settings.rate * share_of_rate(run.settings, run.step - 1)
    return Progress(run.step, sum(each) / len(each), each, rate, time.monotonic() - since)
