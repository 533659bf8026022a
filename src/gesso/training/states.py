"""States: a run's saved states in a folder, the newest few, each whole."""

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from gesso.errors import BrokenFile, ResourceError

__all__ = ["States"]


class States:
    """A folder of saved states.

    Args:
        folder: made when the first is saved.
        keep: so many of the newest are kept.
    """

    def __init__(self, folder: Path, keep: int = 1) -> None:
        self.folder = folder
        self.keep = keep

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write a state beside its place and move it there, so that a kill leaves the old or the new.

        Raises:
            ResourceError: the disk is full, or the folder cannot be written to.
        """
        path, beside = self.folder / f"{step:08}.pt", self.folder / ".partial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except (OSError, RuntimeError) as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise ResourceError(f"{path} must be writable, however: {error}") from error
        self.forget()

    def forget(self) -> None:
        """Delete all but the newest few."""
        for old in self.paths()[: -self.keep]:
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink()

    def paths(self) -> list[Path]:
        """Every state that is there, the oldest first; those in parts are folders."""
        if not self.folder.is_dir():
            return []
        return sorted(each for each in self.folder.iterdir() if re.fullmatch(r"\d{8}\.(pt|parts)", each.name))

    def newest(self) -> dict[str, Any] | None:
        """The newest state, unless there is none.

        Raises:
            BrokenFile: it cannot be read.
        """
        paths = self.paths()
        return self.read(paths[-1]) if paths else None

    @staticmethod
    def read(path: Path) -> dict[str, Any]:
        """A state that is in one file.

        Raises:
            BrokenFile: it cannot be read.
        """
        try:
            return torch.load(path, weights_only=True)
        except Exception as error:  # torch.load raises whatever the bytes lead it to
            raise BrokenFile(
                f"{path} must be a saved state, however: {error}",
                hint="delete it to go on from the one before",
            ) from error
