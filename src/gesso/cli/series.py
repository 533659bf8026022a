"""What the commands share that paint many pictures, each planned before the first and painted once."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gesso.cli.generate import Generate
from gesso.request import Request

if TYPE_CHECKING:
    from gesso.model import Model
    from gesso.series.task import Task

__all__ = ["Series"]


class Series(Generate):
    """A command that paints many pictures with one or several models."""

    @cached_property
    def _outlines(self) -> dict[Path | None, "Model"]:
        return {}

    def planned(self, place: Path, model: Path | None, request: Request) -> "Task":
        """The task of painting a request; what cannot be painted is refused, from headers alone."""
        from gesso.generation.fitting import check
        from gesso.series.task import task

        check(request, model, ema=self.ema)
        if model not in self._outlines:
            self._outlines[model] = self._loaded(model, weights=False)
        return task(place, model, self._outlines[model], request)

    def paint(self, tasks: Sequence["Task"]) -> None:
        """Paint what is not there yet, model after model."""
        from gesso.cli.progress import follow
        from gesso.generation.generate import generate
        from gesso.series.task import by_model, done

        left = by_model(each for each in tasks if not done(each))
        with follow(quiet=self.json_output) as progress:
            for path, group in left.items():
                progress.loading(path)
                model = self._loaded(path, weights=True)
                for each in group:
                    progress.painting(generate(model, each.request), model, each.file)

    def told(self, tasks: Sequence["Task"]) -> str:
        """What there is to paint, for reading."""
        from gesso.series.task import by_model, done

        left = [each for each in tasks if not done(each)]
        models, steps = len(by_model(left)), sum(each.steps for each in left)
        return f"{len(tasks)} pictures, {len(left)} still to paint: {steps} steps, models to load: {models}"

    def _loaded(self, model: Path | None, *, weights: bool) -> "Model":
        return self.model_copy(update={"model": model})._opened(weights=weights)
