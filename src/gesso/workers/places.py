"""Places: what files are called outside, and where they are.

Outside, a file is named by its path within the library, as uploads/HASH.png, or as builtin/… if it comes with
gesso. Nothing else is reachable, whatever a request says; and no path of this machine gets out.
"""

import glob
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from pydantic import BaseModel

from gesso import builtin
from gesso.errors import RequestError
from gesso.request import Request

__all__ = ["BUILTIN", "Places"]

BUILTIN = ""
"""What the checkpoint that comes with gesso is called in a job."""
UPLOADS = "uploads"
_UPLOAD = re.compile(r"[0-9a-f]{64}\.png")

_Part = TypeVar("_Part", bound=BaseModel)


@dataclass(frozen=True)
class Places:
    """Where a server's files are.

    Args:
        library: the folder of checkpoints, LoRAs and whatever else requests may name.
        data: the folder for the job table, uploads and finished pictures.
    """

    library: Path
    data: Path

    @property
    def uploads(self) -> Path:
        """Pictures that were sent, each named by the hash of its bytes."""
        return self.data / UPLOADS

    def folder(self, job: str) -> Path:
        """Where a job's pictures go."""
        return self.data / "pictures" / job

    def preview(self, job: str) -> Path:
        """The last look at a job's unfinished picture."""
        return self.data / "previews" / f"{job}.jpg"

    def model(self, name: str) -> Path:
        """The checkpoint of that name.

        Raises:
            RequestError: the library has none.
        """
        return builtin.checkpoint() if name == BUILTIN else self.found(Path(name))

    @property
    def roots(self) -> Mapping[str, Path]:
        """Folders that names may begin with, and where they are; what begins otherwise is in the library."""
        return {UPLOADS: self.uploads, "builtin": builtin.folder()}

    def named(self, path: Path) -> Path:
        """What a file is called outside; of one that lies nowhere that names reach, its bare name."""
        full = path.resolve()
        for name, root in {**self.roots, "": self.library}.items():
            if full.is_relative_to(root.resolve()):
                return Path(name) / full.relative_to(root.resolve())
        return Path(path.name)

    def found(self, name: Path) -> Path:
        """The file or folder of that name; a bare name may leave out its folder and ending.

        Raises:
            RequestError: there is none, or it would lie outside.
        """
        first, *rest = name.parts or ("",)
        root = self.roots.get(first)
        try:
            if first == UPLOADS and not _UPLOAD.fullmatch("/".join(rest)):
                found = None
            elif root is not None and rest:
                found = _inside(root, root.joinpath(*rest))
            else:
                found = _inside(self.library, self.library / name) or self._sought(name)
        except (OSError, ValueError):
            found = None
        if found is None:
            raise RequestError(
                f"a file must be named as the library has it or as it was uploaded, however: {str(name)!r}"
            )
        return found

    def _sought(self, name: Path) -> Path | None:
        """The file of a bare name, in the library or among those that come with gesso."""
        if len(name.parts) != 1 or name.name in {".", ".."}:
            return None
        for root in (self.library, self.roots["builtin"]):
            for each in sorted(root.rglob(f"{glob.escape(name.name)}*")):
                if each.is_file() and name.name in {each.name, each.stem} and _inside(root, each):
                    return each.resolve()
        return None

    def discreet(self, text: str) -> str:
        """A message without the paths of this machine."""
        for root in (self.library, self.data):
            for path in (root, root.resolve()):
                text = text.replace(f"{path}/", "").replace(str(path), ".")
        return text

    def inward(self, request: Request) -> Request:
        """The request with the files themselves instead of their names.

        Raises:
            RequestError: a file is not there, or would lie outside.
        """
        return _changed(request, self.found)

    def outward(self, request: Request) -> Request:
        """The request with the names of its files."""
        return _changed(request, self.named)


def _inside(root: Path, path: Path) -> Path | None:
    """Where a path leads, if it is there and does not lead out of its root."""
    whole = path.resolve()
    return whole if whole.is_relative_to(root.resolve()) and whole.exists() else None


def _changed(request: _Part, change: Callable[[Path], Path]) -> _Part:
    """A copy with every path changed, wherever it stands; tables by path are changed with them."""
    new = {str(path): change(path) for path in _paths(request)}
    return cast(_Part, _rebuilt(request, new))


def _paths(value: object) -> Iterator[Path]:
    match value:
        case Path():
            yield value
        case BaseModel():
            for name in type(value).model_fields:
                yield from _paths(getattr(value, name))
        case tuple():
            for each in cast(tuple[object, ...], value):
                yield from _paths(each)
        case _:
            pass


def _rebuilt(value: object, new: Mapping[str, Path]) -> object:
    match value:
        case Path():
            return new[str(value)]
        case BaseModel():
            fields = {name: _rebuilt(getattr(value, name), new) for name in type(value).model_fields}
            return value.model_copy(update=fields)
        case tuple():
            return tuple(_rebuilt(each, new) for each in cast(tuple[object, ...], value))
        case dict():
            table = cast(dict[str, object], value)
            return {str(new.get(key, key)): each for key, each in table.items()}
        case _:
            return value
