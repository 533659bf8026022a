"""A Task: one picture of a series, in a file whose name says what was asked for.

So a series needs no book of what is done. A file is written whole or not at all; if it is there, that picture
is painted. Whoever asks for the same series again after it was broken off goes on where it stopped.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gesso.checkpoint.hashes import sha256
from gesso.generation.planning import make_plan
from gesso.generation.result import Origin, record
from gesso.model import Model
from gesso.request import Request

__all__ = ["Task", "by_model", "done", "task"]


@dataclass(frozen=True)
class Task:
    """One picture to paint.

    Args:
        file: where it goes.
        model: the model's file; None for the built-in checkpoint.
        request: for one picture.
        steps: how many steps it takes.
    """

    file: Path
    model: Path | None
    request: Request
    steps: int


def task(place: Path, path: Path | None, model: Model, request: Request) -> Task:
    """The task of painting a request, planned so that what cannot be painted is refused now.

    Args:
        place: where the picture goes, without what is asked for and without an ending.
        path: the model's file; None for the built-in checkpoint.
        model: the same model; it needs no weights.

    Raises:
        RequestError: the request contradicts itself or does not suit the model.
    """
    plan = make_plan(model, request)
    uses = {
        "loras": tuple(use.model_copy(update={"sha256": sha256(use.file)}) for use in request.loras),
        "embeddings": tuple(
            use.model_copy(update={"sha256": sha256(use.file)}) for use in request.embeddings
        ),
        "seed": request.seed,
    }
    asked = record(plan.request.model_copy(update=uses), Origin.of(model))
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    return Task(place.with_name(f"{place.name}-{digest}.png"), path, request, plan.steps)


def done(each: Task) -> bool:
    """Whether its picture is there; what is left of a name claimed by a run that was killed goes."""
    if not each.file.is_file():
        return False
    if each.file.stat().st_size:
        return True
    each.file.unlink()
    return False


def by_model(tasks: Iterable[Task]) -> dict[Path | None, list[Task]]:
    """Tasks by their models, so that each model is loaded once."""
    groups: dict[Path | None, list[Task]] = {}
    for each in tasks:
        groups.setdefault(each.model, []).append(each)
    return groups
