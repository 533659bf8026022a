"""The catalogue: which checkpoints the library has, and what their headers tell."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from gesso.checkpoint.file import Checkpoint
from gesso.errors import GessoError, UnknownName
from gesso.families.identify import Identity, identify
from gesso.server.settings import Settings
from gesso.workers.places import BUILTIN

__all__ = ["Catalogue", "Entry"]

SUFFIXES = {".safetensors", ".ckpt", ".pt", ".pth", ".bin"}


class Entry(BaseModel):
    """A checkpoint that can paint."""

    name: str
    """By which requests name it; empty for the built-in one."""
    title: str
    """Its file's name without the ending."""
    family: str
    bytes: int
    modified: float
    """Unix time in seconds."""
    size: tuple[int, int]
    """Width and height it paints best, in pixels."""
    steps: int
    cfg: float
    sampler: str
    schedule: str


@dataclass
class Catalogue:
    """Looks through the library; a file's header is read once."""

    settings: Settings
    _known: dict[tuple[Path, int, int], Entry | None] = field(
        default_factory=dict[tuple[Path, int, int], Entry | None]
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def entries(self) -> list[Entry]:
        """All checkpoints, the built-in one first."""
        places = self.settings.places
        files = [places.model(BUILTIN), *sorted(_files(places.library))]
        with self._lock:
            found = [self._entry(path) for path in files]
        return [each for each in found if each is not None]

    def entry(self, name: str) -> Entry:
        """The checkpoint that a name means: an alias, a name in the library or a title.

        Raises:
            UnknownName: there is none.
        """
        wanted = self.settings.aliases.get(name, name)
        entries = self.entries()
        for each in entries:
            if wanted in {each.name, each.title} or wanted.casefold() == each.title.casefold():
                return each
        raise UnknownName(
            "model", name, [*self.settings.aliases, *(each.name or each.title for each in entries)]
        )

    def default(self) -> Entry:
        """The checkpoint that is meant where none is named."""
        return self.entry(self.settings.model)

    def _entry(self, path: Path) -> Entry | None:
        try:
            stat = path.stat()
        except OSError:
            return None
        key = (path, stat.st_mtime_ns, stat.st_size)
        if key not in self._known:
            self._known[key] = self._read(path, stat.st_size, stat.st_mtime)
        return self._known[key]

    def _read(self, path: Path, size: int, modified: float) -> Entry | None:
        try:
            identity = identify(Checkpoint.open(path))
        except GessoError:
            return None
        if identity.variant.unsupported or not identity.family.title:
            return None
        places = self.settings.places
        name = BUILTIN if path == places.model(BUILTIN) else places.named(path).as_posix()
        return _told(identity, name, path.stem, (size, modified))


def _told(identity: Identity, name: str, title: str, file: tuple[int, float]) -> Entry:
    defaults = identity.facts.defaults
    return Entry(
        name=name,
        title=title,
        family=identity.name,
        bytes=file[0],
        modified=file[1],
        size=defaults.size,
        steps=defaults.steps,
        cfg=defaults.cfg,
        sampler=defaults.sampler,
        schedule=defaults.schedule,
    )


def _files(library: Path) -> Iterator[Path]:
    return (path for path in library.rglob("*") if path.suffix.casefold() in SUFFIXES and path.is_file())
