"""Access: who a request comes from, what it may do, and whether it may come at all."""

import base64
import binascii
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends
from fastapi import Request as HttpRequest

from gesso.server.keys import LOCAL, Caller
from gesso.server.refusals import Refused
from gesso.server.services import services
from gesso.server.settings import Settings, loopback

__all__ = ["Admin", "Manager", "Painter", "must_be_welcome"]


# these wait for nothing; if they were not `async`, each would cost a change of threads
async def _caller(http: HttpRequest) -> Caller:
    """Whose key a request carries; without any keys there is only this machine's user.

    Raises:
        Refused: a key is needed, and this is none.
    """
    ring = services(http).keyring
    text = _key(http)
    found = ring.caller(text) if text is not None else None
    if found is not None:
        return found
    if not ring:
        return LOCAL
    raise Refused(
        401, "a key must come with every request, however: there is none that is known", "invalid_api_key"
    )


def _key(http: HttpRequest) -> str | None:
    """The key in any of the headers that clients put it into."""
    kind, _, value = http.headers.get("authorization", "").partition(" ")
    match kind.casefold():
        case "bearer":
            return value.strip()
        case "basic":
            return _password(value)
        case _:
            return http.headers.get("api-key") or http.headers.get("x-api-key")


def _password(packed: str) -> str | None:
    try:
        return base64.b64decode(packed, validate=True).decode().partition(":")[2]
    except (ValueError, binascii.Error):
        return None


class _Scope:
    """A dependency that lets through whose key has a scope."""

    def __init__(self, scope: str) -> None:
        self.scope = scope

    async def __call__(self, caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if not caller.may(self.scope):
            raise Refused(
                403, f"a key must have the scope {self.scope}, however: this one has not", "missing_scope"
            )
        return caller


Painter = Annotated[Caller, Depends(_Scope("paint"))]
Manager = Annotated[Caller, Depends(_Scope("manage"))]
Admin = Annotated[Caller, Depends(_Scope("admin"))]


def must_be_welcome(http: HttpRequest, settings: Settings, *, keys: bool) -> None:
    """Refuse what another web site's page sent through its reader's browser.

    Without keys a request must also name this machine, or any site could point its own name here.

    Raises:
        Refused: it comes from another site.
    """
    host = http.headers.get("host", "")
    if not keys and not loopback(urlsplit(f"//{host}").hostname or ""):
        raise Refused(
            403, "without keys a request must name this machine, however: it names another", "bad_host"
        )
    origin = http.headers.get("origin")
    if origin is not None and origin not in settings.origins and urlsplit(origin).netloc != host:
        raise Refused(403, "a page must be this server's own, however: it is another's", "bad_origin")
