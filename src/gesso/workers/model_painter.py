"""Paints jobs with the library's checkpoints."""

from collections.abc import Collection, Iterator
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

from PIL import Image

from gesso.errors import NoDevice
from gesso.generation.events import Finished, Painted, Stepped
from gesso.generation.generate import generate
from gesso.generation.result import Origin, save
from gesso.model import Model, load
from gesso.request import Request
from gesso.runtime.kept import taken
from gesso.workers.job import Job
from gesso.workers.painter import Advanced, Drawn, Happening, Machine, Noted
from gesso.workers.places import Places
from gesso.workers.shelf import Shelf

__all__ = ["ModelPainter"]


class ModelPainter:
    """Paints with the library's checkpoints."""

    def __init__(self, places: Places, machine: Machine) -> None:
        self.places = places
        self.machine = machine
        self.shelf = Shelf(self._load, _weight, lambda name: _size(places.model(name)), machine.room)

    @property
    def loaded(self) -> Collection[str]:
        """Models that are in memory, by name."""
        return self.shelf.names

    def paint(self, job: Job) -> Iterator[Happening]:
        """Paint the pictures that the job does not have yet.

        Raises:
            GessoError: as `generate` does.
        """
        model = self.shelf.get(job.model)
        origin = self._origin(model)
        for event in generate(model, _rest(self.places.inward(job.request), job.begun)):
            match event:
                case Stepped(done=done, preview=preview):
                    yield Advanced(done, preview)
                case Painted(image=image, request=request):
                    yield self._drawn(image, self.places.outward(request), origin)
                case Finished(result):
                    yield Noted(result.notes)
                case _:
                    pass

    def _drawn(self, image: Image.Image, request: Request, origin: Origin) -> Drawn:
        return Drawn(request, image.size, lambda file: save(image, request, origin, file))

    def _origin(self, model: Model) -> Origin:
        """Where the model comes from, by the library's names: no path of this machine gets into a picture."""
        origin = Origin.of(model)
        parts: dict[str, Any] = {
            each.name: self._named(getattr(origin.others, each.name)) for each in fields(origin.others)
        }
        return replace(origin, path=self.places.named(origin.path), others=replace(origin.others, **parts))

    def _named(self, value: object) -> object:
        match value:
            case Path():
                return self.places.named(value)
            case tuple():
                return tuple(map(self._named, cast(tuple[object, ...], value)))
            case _:
                return value

    def _load(self, name: str) -> Model:
        machine = self.machine
        try:
            return load(
                self.places.model(name),
                device=machine.device,
                dtype=machine.dtype,
                memory=machine.memory,
                kernels=machine.kernels,
                quantize=machine.quantize,
            )
        except NoDevice:
            # the driver may have gone away since; whoever looks after this process starts another
            raise SystemExit(3) from None


def _rest(request: Request, painted: int) -> Request:
    """What is left of a request of which some pictures are painted; each is what it would have been."""
    assert request.seed is not None
    # what follows on a picture counts on from its own seed, where it has one
    then = tuple(
        each if each.seed is None else each.model_copy(update={"seed": each.seed + painted})
        for each in request.then
    )
    left = max(1, request.count - painted)
    return request.model_copy(update={"seed": request.seed + painted, "count": left, "then": then})


def _weight(model: Model) -> int:
    tensors = chain.from_iterable((*net.parameters(), *net.buffers()) for net in model.networks.values())
    return sum(map(taken, tensors))


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files)
