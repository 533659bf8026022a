"""Refusals: every error as a status and a few words, which each dialect puts in its own form."""

from dataclasses import dataclass

from gesso.errors import (
    AdapterError,
    CheckpointError,
    GessoError,
    QueueFull,
    RequestError,
    ResourceError,
    UnknownName,
    Unsupported,
)

__all__ = ["Refused", "refused"]


@dataclass
class Refused(Exception):  # noqa: N818 - as gesso's own errors
    """What is answered instead of what was asked for.

    Args:
        status: the HTTP status.
        message: one line, without paths of this machine.
        code: one word for programs.
        param: which field is to blame.
    """

    status: int
    message: str
    code: str = "invalid_value"
    param: str | None = None

    def __str__(self) -> str:
        return self.message


_TABLE: tuple[tuple[type[GessoError], int, str], ...] = (
    (QueueFull, 429, "queue_full"),
    (UnknownName, 400, "unknown_name"),
    (Unsupported, 400, "unsupported"),
    (RequestError, 400, "invalid_value"),
    (AdapterError, 400, "adapter_does_not_fit"),
    (CheckpointError, 400, "bad_checkpoint"),
    (ResourceError, 503, "out_of_resources"),
)
"""The first class that fits decides."""


def refused(error: GessoError) -> Refused:
    """An error of gesso's as an answer."""
    status, code = next(((s, c) for kind, s, c in _TABLE if isinstance(error, kind)), (500, "error"))
    hint = f" ({error.hint})" if error.hint else ""
    return Refused(status, f"{error}{hint}", code)
