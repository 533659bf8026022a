"""What the terminal shows while pictures are painted."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from gesso.generation.events import Event, Finished, Followed, Painted, Planned, Stepped
from gesso.generation.result import Origin, save
from gesso.model import Model

__all__ = ["Pace", "Painting", "follow"]


class Pace:
    """How long the rest will take, from what steps and decodings took so far.

    A first decoding has not been seen yet, so it is taken to last as long as two steps.
    """

    def __init__(self, clock: float) -> None:
        self.last = clock
        self.steps = 0
        self.stepping = 0.0
        self.decodings = 0
        self.decoding = 0.0

    def stepped(self, clock: float) -> None:
        """One step is done."""
        self.steps, self.stepping, self.last = self.steps + 1, self.stepping + clock - self.last, clock

    def decoded(self, clock: float) -> None:
        """One picture is decoded."""
        self.decodings, self.decoding, self.last = (
            self.decodings + 1,
            self.decoding + clock - self.last,
            clock,
        )

    def left(self, steps: int, pictures: int) -> float:
        """Seconds for that many more steps and pictures."""
        step = self.stepping / max(1, self.steps)
        decode = self.decoding / self.decodings if self.decodings else 2 * step
        return steps * step + pictures * decode


class Painting:
    """A progress line on the terminal's error stream."""

    def __init__(self, progress: Progress, task: TaskID, *, keep: bool = False, costs: bool = False) -> None:
        self.progress = progress
        self.task = task
        self.keep = keep
        self.costs = costs

    def loading(self, path: Path | None) -> None:
        """The checkpoint is being read."""
        name = path.name if path else "the built-in checkpoint"
        self.progress.update(self.task, description=f"loading {name}", total=None)

    def painting(self, events: Iterator[Event], model: Model, out: Path) -> list[dict[str, object]]:
        """Follow a generation to its end and save its pictures as they are finished.

        Returns:
            For every picture its file, seed, size and what it took.
        """
        files: list[dict[str, object]] = []
        pace, count, told = Pace(time.perf_counter()), 1, tuple[str, ...]()
        for event in events:
            match event:
                case Planned(plan, traded):
                    told = traded
                    for note in traded:
                        self.progress.console.print(f"note: {note}", highlight=False)
                    pace, count = Pace(time.perf_counter()), plan.request.count * len(plan.chain)
                    self.progress.update(self.task, description="painting", total=plan.steps, left="")
                case Stepped(done=done, total=total):
                    pace.stepped(time.perf_counter())
                    left = pace.left(total - done, count - pace.decodings)
                    self.progress.update(self.task, completed=done, left=f"{left:.0f} s left")
                case Painted() | Followed():
                    pace.decoded(time.perf_counter())
                    if self.keep or isinstance(event, Painted):
                        files.append(self._saved(event, model, out))
                case Finished(result):
                    for note in (each for each in result.notes if each not in told):
                        self.progress.console.print(f"note: {note}", highlight=False)
        return files

    def _saved(self, event: Painted | Followed, model: Model, out: Path) -> dict[str, object]:
        cost = event.cost if self.costs else None
        path = save(event.image, event.request, Origin.of(model), out, cost)
        self.progress.console.print(str(path), highlight=False, soft_wrap=True)
        told: dict[str, object] = {"file": str(path), "seed": event.request.seed, "size": event.image.size}
        return told if event.cost is None else told | {"cost": event.cost.plain()}


@contextmanager
def follow(*, quiet: bool = False, keep: bool = False, costs: bool = False) -> Generator[Painting]:
    """Show progress on the error stream while the block runs.

    Args:
        keep: also save pictures that something follows on.
        costs: write into each picture what it took.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True, quiet=quiet), transient=True) as progress:
        yield Painting(progress, progress.add_task("starting", total=None, left=""), keep=keep, costs=costs)
