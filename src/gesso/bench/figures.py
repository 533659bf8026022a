"""What one program's run of one case costs."""

import statistics
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from gesso.runtime.machine import peak

__all__ = ["CFG", "Case", "Figures", "Marks"]

CFG = 7.0
"""Both halves of guidance are computed at every step."""


@dataclass(frozen=True)
class Case:
    """What is painted.

    Args:
        file: the checkpoint.
        size: of the picture's sides, pixels.
        steps: of the sampler, at least 2: the first is not counted.
        count: pictures.
        dtype: what the networks compute in, such as "bfloat16".
        config: diffusers' configuration of the checkpoint, a folder; None leaves out whoever needs it.
        memory: what gesso may hold, bytes; None for what there is.
        device: where it is painted, such as "cpu" or "cuda".
    """

    file: Path
    size: int
    steps: int
    count: int = 1
    dtype: str = "float32"
    config: Path | None = None
    memory: int | None = None
    device: str = "cpu"

    def plain(self) -> dict[str, object]:
        """The same as JSON can hold it."""
        return {
            name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()
        }

    @classmethod
    def read(cls, plain: dict[str, Any]) -> Self:
        """The case that `plain` wrote."""
        paths: dict[str, Any] = {
            name: Path(plain[name]) for name in ("file", "config") if plain[name] is not None
        }
        return cls(**plain | paths)


@dataclass(frozen=True)
class Figures:
    """Seconds, and 10^9 bytes.

    Args:
        import_s: until the program can be called.
        prepare_s: converting the model or compiling it; some programs can keep what that gives.
        load_s: until painting can begin, that apart.
        load_peak_gb: the most held until then.
        step_s: one step, the median without the first, which also reads the prompt and warms up.
        decode_s: from the last step's end to the picture.
        total_s: from the start of painting to the last picture.
        peak_gb: the most held in all, on the device that painted.
        again_s: the whole of the last of several pictures; 0 where there is one.
    """

    import_s: float
    prepare_s: float
    load_s: float
    load_peak_gb: float
    step_s: float
    decode_s: float
    total_s: float
    peak_gb: float
    again_s: float = 0.0


class Marks:
    """Moments of a run as it happens.

    Args:
        began: when the program's import began, by `time.perf_counter`.
        device: where it is painted.
    """

    def __init__(self, began: float, device: str = "cpu") -> None:
        self.device = device
        self.began = self.imported = self.loaded = began
        self.load_peak = self.prepared = 0.0
        self.ticks: list[float] = []
        self.pictures: list[float] = []

    @contextmanager
    def preparing(self) -> Generator[None]:
        """What happens in the block converts or compiles."""
        began = time.perf_counter()
        yield
        self.prepared += self._now() - began

    def ready(self, imported: float, loaded: float) -> None:
        """The model is loaded, painting begins."""
        self.imported, self.loaded, self.load_peak = imported, loaded, self._held()

    def tick(self, *_: object) -> None:
        """A step has ended."""
        self.ticks.append(self._now())

    def painted(self) -> None:
        """A picture is done."""
        self.pictures.append(self._now())

    def figures(self, steps: int) -> Figures:
        """What it came to.

        Args:
            steps: of the first picture, whose are counted.
        """
        first, ends = self.ticks[:steps], [self.loaded, *self.pictures]
        return Figures(
            import_s=self.imported - self.began,
            prepare_s=self.prepared,
            load_s=self.loaded - self.imported - self.prepared,
            load_peak_gb=self.load_peak,
            step_s=_median([after - before for before, after in pairwise(first)]),
            decode_s=ends[-1] - self.ticks[-1],
            total_s=ends[-1] - self.loaded,
            peak_gb=self._held(),
            again_s=ends[-1] - ends[-2] if len(self.pictures) > 1 else 0.0,
        )

    def _now(self) -> float:
        """The time when all that was asked of the device is done."""
        if self.device != "cpu":
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()

    def _held(self) -> float:
        if self.device == "cpu":
            return (peak() or 0) / 1e9
        import torch

        return torch.cuda.max_memory_reserved() / 1e9


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
