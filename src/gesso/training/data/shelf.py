"""A Shelf: named bytes, in a folder or in a tar file; nothing else of training knows which."""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from gesso.errors import RequestError

__all__ = ["Folder", "Shelf", "Tar", "shelf"]


class Shelf(Protocol):
    """Named bytes."""

    @property
    def path(self) -> Path:
        """The folder or file."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Every file in it, sorted, with / between folders."""
        ...

    def read(self, name: str) -> bytes:
        """One file, whole."""
        ...


@dataclass(frozen=True)
class Folder:
    """Files directly in a folder."""

    path: Path

    @property
    def names(self) -> tuple[str, ...]:
        """Every file, sorted; hidden ones are passed over."""
        return tuple(sorted(each.name for each in self.path.iterdir() if _counts(each)))

    def read(self, name: str) -> bytes:
        """One file, whole."""
        return (self.path / name).read_bytes()


@dataclass(frozen=True)
class Tar:
    """A tar file, as webdataset's shards are: what belongs together has one name up to its first dot.

    Source: the layout of the webdataset format.
    """

    path: Path

    @property
    def names(self) -> tuple[str, ...]:
        """Every file, sorted."""
        return tuple(sorted(self._places))

    def read(self, name: str) -> bytes:
        """One file, whole."""
        start, size = self._places[name]
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(size)

    @cached_property
    def _places(self) -> Mapping[str, tuple[int, int]]:
        """Where each file's bytes are."""
        try:
            with tarfile.open(self.path, "r:") as archive:
                return {each.name: (each.offset_data, each.size) for each in archive if each.isfile()}
        except tarfile.TarError as error:
            raise RequestError(f"{self.path} must be a plain tar file, however: {error}") from error


def shelf(path: Path) -> Shelf:
    """A folder's or tar file's shelf.

    Raises:
        RequestError: it is neither.
    """
    if path.is_dir():
        return Folder(path)
    if path.is_file() and path.suffix.lower() == ".tar":
        return Tar(path)
    found = "there is none" if not path.exists() else "it is another file"
    raise RequestError(f"{path} must be a folder of pictures or a .tar of them, however: {found}")


def _counts(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")
