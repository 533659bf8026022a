"""Links to pictures that open without a key, for a while: what they show is signed into them."""

import hashlib
import hmac
import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from gesso.server.refusals import Refused
from gesso.server.renditions import Rendition

__all__ = ["Links", "kept_secret"]


@dataclass(frozen=True)
class Links:
    """Makes and checks links.

    Args:
        secret: what they are signed with.
        seconds: for how long they hold.
    """

    secret: bytes
    seconds: float

    def link(self, job: str, picture: int, rendition: Rendition) -> str:
        """The path and query of a picture's link."""
        until = int(time.time() + self.seconds)
        name = f"{job}/{picture}.{rendition.format}"
        query = {**rendition.query(), "until": until, "sign": self._sign(name, rendition, until)}
        return f"/pictures/{name}?{urlencode(query)}"

    def check(self, name: str, rendition: Rendition, until: int, sign: str) -> None:
        """Refuse what we did not make, and what is too old."""
        good = hmac.compare_digest(self._sign(name, rendition, until).encode(), sign.encode())
        if not good or until < time.time():
            raise Refused(403, "a link must be whole and not too old, however: this one is not", "bad_link")

    def _sign(self, name: str, rendition: Rendition, until: int) -> str:
        text = f"{name}\n{urlencode(rendition.query())}\n{until}"
        return hmac.new(self.secret, text.encode(), hashlib.sha256).hexdigest()[:32]


def kept_secret(data: Path) -> bytes:
    """The secret of a data folder, made the first time; nobody else may read it."""
    path = data / "secret"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()
