"""What goes around every answer: who may come in at all, and the headers that all answers have."""

import time
import uuid
from dataclasses import dataclass

from fastapi import Request as HttpRequest
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gesso.server.access import must_be_welcome
from gesso.server.dialects import answer
from gesso.server.refusals import Refused
from gesso.server.services import Services

__all__ = ["Envelope"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page loads nothing from elsewhere, and no other page shows it."""


@dataclass(frozen=True)
class Envelope:
    """Stands around the application."""

    app: ASGIApp
    of: Services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = uuid.uuid4().hex
                headers["openai-processing-ms"] = str(round((time.perf_counter() - began) * 1000))
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "no-referrer"
                headers.setdefault("content-security-policy", POLICY)
            await send(message)

        await self.of.keyring.refresh()
        try:
            must_be_welcome(HttpRequest(scope), self.of.settings, keys=bool(self.of.keyring))
        except Refused as refusal:
            await answer(scope["path"], refusal)(scope, receive, sealed)
            return
        await self.app(scope, receive, sealed)
