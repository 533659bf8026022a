"""The training loop: batches in, better weights out; a stopped run goes on exactly where it was."""

import math
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import FrameType

import torch
from torch import Tensor, nn

from gesso.errors import NotFinite
from gesso.training.averaging import Average
from gesso.training.settings import TrainingSettings

__all__ = ["Progress", "Run", "learning_rate", "stop_on_signals", "train"]

Loss = Callable[[torch.Generator], Tensor]
"""The loss of one batch; every random number in it comes from the generator."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A report on the steps since the last one.

    Args:
        step: steps done.
        loss: mean over the reported steps.
        seconds: spent on the reported steps.
    """

    step: int
    loss: float
    rate: float
    seconds: float


@dataclass
class Run:
    """A network in training and all that its next step depends on, random numbers included.

    The random numbers of a step come from the seed and the step's number, so that the number is their state.

    Args:
        step: steps done.
    """

    network: nn.Module
    settings: TrainingSettings
    step: int = 0
    average: Average = field(init=False)
    optimizer: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        self.average = Average(self.network, self.settings.average)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            self.settings.rate,
            betas=self.settings.betas,
            weight_decay=self.settings.weight_decay,
            fused=True,
        )

    def save(self, path: Path) -> None:
        """Write the state beside its place and move it there, so that a kill leaves the old or the new."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.weights,
            "optimizer": self.optimizer.state_dict(),
        }
        beside = path.with_suffix(".partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, beside)
        beside.replace(path)

    def resume(self, path: Path) -> None:
        """Go back to a saved state."""
        state = torch.load(path, weights_only=True)
        self.step = state["step"]
        self.network.load_state_dict(state["network"], strict=True)
        self.average.load(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """The rate of a step, counted from 0: a rise, a plateau, and half a cosine down to 0.

    Source: the cosine of Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, over the last part only.
    """
    rise = min(1.0, (step + 1) / (settings.warmup + 1))
    begin = settings.steps * (1 - settings.fall)
    if step < begin or settings.steps == begin:
        return settings.rate * rise
    gone = min(1.0, (step - begin) / (settings.steps - begin))
    return settings.rate * rise * 0.5 * (1 + math.cos(math.pi * gone))


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


def train(run: Run, loss: Loss, state: Path, stop: Event | None = None) -> Iterator[Progress]:
    """Train to the run's last step, or until stopped; the state is saved then, and every so often.

    Args:
        state: where the state is saved.
        stop: set it to end after the step in progress.

    Raises:
        NotFinite: the loss overflowed; the last saved state is as it was.
    """
    settings, since, losses = run.settings, time.monotonic(), list[Tensor]()
    while run.step < settings.steps and not (stop and stop.is_set()):
        losses.append(_step(run, loss))
        if run.step % settings.report_every == 0 or run.step == settings.steps:
            yield _report(run, losses, since)
            since, losses = time.monotonic(), []
        if run.step % settings.save_every == 0:
            run.save(state)
    run.save(state)


def _step(run: Run, loss: Loss) -> Tensor:
    """One optimizer step; its mean loss."""
    settings, total = run.settings, torch.zeros(())
    for i in range(settings.accumulate):
        part = loss(_draws(settings.seed, run.step * settings.accumulate + i)) / settings.accumulate
        part.backward()
        total += part.detach()
    if not torch.isfinite(total):
        raise NotFinite(f"the loss must be finite, however: it is {float(total)} in step {run.step}")
    nn.utils.clip_grad_norm_(run.network.parameters(), settings.clip)
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(settings, run.step)
    run.optimizer.step()
    run.optimizer.zero_grad()
    run.average.update(run.network, run.step)
    run.step += 1
    return total


def _draws(seed: int, batch: int) -> torch.Generator:
    # neighbouring numbers must not give overlapping streams: spread them over 63 bits
    mixed = (seed * 0x9E3779B97F4A7C15 + batch * 0xD1B54A32D192ED03 + 1) & (2**63 - 1)
    return torch.Generator().manual_seed(mixed)


def _report(run: Run, losses: list[Tensor], since: float) -> Progress:
    mean = float(torch.stack(losses).mean())
    return Progress(run.step, mean, learning_rate(run.settings, run.step - 1), time.monotonic() - since)
