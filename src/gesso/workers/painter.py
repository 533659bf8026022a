"""What a worker does with a job: an iterator of what happens, from a job's next picture to its last."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from gesso.request import Request
from gesso.workers.job import Job

__all__ = ["Advanced", "Drawn", "Happening", "Machine", "Noted", "Painter"]


@dataclass(frozen=True)
class Advanced:
    """A step is done.

    Args:
        done: steps that are done in this run.
        preview: makes a small picture of how it stands, before the next is asked for.
    """

    done: int
    preview: Callable[[], Image.Image]


@dataclass(frozen=True)
class Drawn:
    """A picture is finished.

    Args:
        request: what would paint it alone.
        save: writes it to a file, with what it carries; returns the file.
    """

    request: Request
    size: tuple[int, int]
    save: Callable[[Path], Path]


@dataclass(frozen=True)
class Noted:
    """What had to be done otherwise than asked."""

    notes: tuple[str, ...]


Happening = Advanced | Drawn | Noted


class Painter(Protocol):
    """Whoever paints jobs."""

    @property
    def loaded(self) -> Collection[str]:
        """Models that are in memory, by name."""
        ...

    def paint(self, job: Job) -> Iterator[Happening]:
        """Paint the pictures that the job does not have yet. Closing the iterator stops within a step."""
        ...


@dataclass(frozen=True)
class Machine:
    """What a worker computes with.

    Args:
        device: auto, cpu, cuda, cuda:1, mps.
        dtype: auto, float32, bfloat16, float16.
        room: bytes of models to keep loaded.
        memory: the most bytes that the process may take when it loads a model; None: what there is.
        kernels: auto, plain.
        quantize: none, int8, int4.
    """

    device: str = "auto"
    dtype: str = "auto"
    room: int = 8 * 2**30
    memory: int | None = None
    kernels: str = "auto"
    quantize: str = "none"
