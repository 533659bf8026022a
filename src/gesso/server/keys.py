"""Keys: who may ask, and for what. Only their hashes are kept."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError

from gesso.errors import RequestError
from gesso.workers.schema import KEYS, Writing

__all__ = ["LOCAL", "SCOPES", "Caller", "Keyring"]

SCOPES = ("paint", "manage", "admin")
"""Paint and see one's own jobs; also see and order everybody's; also metrics and keys."""


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Args:
        name: the key's name, which is the owner of its jobs.
    """

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether this is allowed."""
        return scope in self.scopes


LOCAL = Caller("local", frozenset(SCOPES))
"""Whoever sits at this machine, as long as there are no keys."""


@dataclass
class Keyring:
    """The keys in a database, which other processes may change.

    Args:
        fresh: seconds for which the keys are known without another look.
    """

    engine: Engine
    fresh: float = 1.0
    _known: Mapping[str, Caller] = field(default_factory=dict[str, Caller])
    _stale: float = 0.0

    def add(self, name: str, scopes: Iterable[str] = ("paint",)) -> str:
        """Make a key; its text is told once and kept nowhere.

        Raises:
            RequestError: the name is taken or empty, or a scope is unknown.
        """
        asked = list(scopes)
        if not name or not set(asked) <= set(SCOPES):
            raise RequestError(f"a key must have a name and scopes of {', '.join(SCOPES)}, however: {asked}")
        text = f"gesso-{secrets.token_urlsafe(32)}"
        row = {"name": name, "hash": _hash(text), "scopes": asked, "created": time.time()}
        try:
            with self.engine.execution_options(writing=Writing.SURELY).begin() as connection:
                connection.execute(insert(KEYS).values(row))
        except IntegrityError as error:
            raise RequestError(f"a key's name must be new, however: {name!r} is taken") from error
        self._stale = 0.0
        return text

    def remove(self, name: str) -> bool:
        """Whether there was such a key; after `fresh` seconds it opens nothing any more, anywhere."""
        with self.engine.execution_options(writing=Writing.SURELY).begin() as connection:
            found = connection.execute(delete(KEYS).where(KEYS.c.name == name)).rowcount > 0
        self._stale = 0.0
        return found

    def names(self) -> dict[str, list[str]]:
        """All keys by name, with their scopes."""
        with self.engine.connect() as connection:
            return {row.name: row.scopes for row in connection.execute(select(KEYS).order_by(KEYS.c.name))}

    def caller(self, text: str) -> Caller | None:
        """Whose key this is; None if nobody's."""
        # the hash is looked up, so that no comparison's time tells anything of a key
        return self._looked_up().get(_hash(text))

    def __bool__(self) -> bool:
        return bool(self._looked_up())

    async def refresh(self) -> None:
        """Look again if it is time, without keeping anybody waiting who does not ask."""
        if time.monotonic() >= self._stale:
            await asyncio.to_thread(self._looked_up)

    def _looked_up(self) -> Mapping[str, Caller]:
        if time.monotonic() >= self._stale:
            with self.engine.connect() as connection:
                rows = connection.execute(select(KEYS)).all()
            self._known = {row.hash: Caller(row.name, frozenset(row.scopes)) for row in rows}
            self._stale = time.monotonic() + self.fresh
        return self._known


def _hash(text: str) -> str:
    """Keys are random and long, so that a plain hash cannot be turned back."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
