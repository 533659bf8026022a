"""Places: what files are called outside, and where they are.

Outside, a file is named by its path within the library, or as uploads/HASH.png. Nothing else is reachable,
whatever a request says; and no path of this machine gets out.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from pydantic import BaseModel

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
        if name != BUILTIN:
            return self.found(Path(name))
        from gesso.model import builtin

        return builtin()

    def named(self, path: Path) -> Path:
        """What a file is called outside; of one that is neither in the library nor sent, its bare name."""
        full = path.resolve()
        if full.is_relative_to(self.uploads.resolve()):
            return Path(UPLOADS) / full.name
        library = self.library.resolve()
        return full.relative_to(library) if full.is_relative_to(library) else Path(path.name)

    def found(self, name: Path) -> Path:
        """The file or folder of that name.

        Raises:
            RequestError: there is none, or it would lie outside.
        """
        parts = name.parts
        if parts[:1] == (UPLOADS,) and len(parts) == 2 and _UPLOAD.fullmatch(parts[1]):
            root, rest = self.uploads, Path(parts[1])
        else:
            root, rest = self.library, name
        try:
            whole = (root / rest).resolve()
            there = whole.is_relative_to(root.resolve()) and whole.exists()
        except (OSError, ValueError):
            there = False
            whole = root
        if not there:
            raise RequestError(
                f"a file must be named as the library has it or as it was uploaded, however: {str(name)!r}"
            )
        return whole

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
