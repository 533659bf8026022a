"""`gesso keys`: who may ask a server, and for what."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel
from pydantic_settings import CliPositionalArg

from gesso.errors import RequestError

if TYPE_CHECKING:
    from gesso.server.keys import Keyring

__all__ = ["Keys"]


class Keys(BaseModel, use_attribute_docstrings=True):
    """Make, list and remove the keys of a server. Only their hashes are kept."""

    do: CliPositionalArg[Literal["add", "list", "remove"]]
    """add, list or remove."""
    name: CliPositionalArg[str] = ""
    """The key's name, which owns the jobs asked for with it."""
    scopes: list[Literal["paint", "manage", "admin"]] = ["paint"]
    """paint: ask, and see one's own jobs; manage: everybody's, and their order; admin: metrics."""
    data: Path = Path("serve")
    """The server's data folder."""
    database: str | None = None
    """The queue's address, where it is not in the data folder."""

    def cli_cmd(self) -> None:
        """Do it."""
        ring = self._ring()
        match self.do:
            case "add":
                sys.stdout.write(ring.add(self.name, self.scopes) + "\n")
            case "remove":
                if not ring.remove(self.name):
                    raise RequestError(f"a key must be there to be removed, however: {self.name!r} is not")
            case "list":
                sys.stdout.write(
                    "".join(f"{name}: {', '.join(each)}\n" for name, each in ring.names().items())
                )

    def _ring(self) -> "Keyring":
        from gesso.server.keys import Keyring
        from gesso.server.settings import Settings, folders
        from gesso.workers.schema import opened

        places = folders(self.data, self.data)
        return Keyring(opened(Settings(places, database=self.database).address))
