"""Every exception gesso raises on purpose.

GessoError
├─ CheckpointError      the file
│  ├─ BrokenFile        truncated, padded, overlapping, absurd: names the byte or key
│  ├─ UnsafeFile        would have to run code to be read
│  ├─ UnknownFamily     names the nearest family and the first contradicting key
│  └─ TensorMismatch    missing, unexpected or misshapen tensors: counts and first names
├─ RequestError         the ask
│  ├─ Unsupported       this family or file cannot do it
│  └─ UnknownName       no such sampler, schedule …: with the closest match
├─ AdapterError         the add-on
│  └─ DoesNotFit        made for another family
├─ ResourceError        the machine
│  ├─ OutOfMemory       says what was needed and what to try
│  ├─ NoDevice          the named device is not here
│  ├─ NotFinite         the numbers overflowed, also after the retry in a wider type
│  └─ QueueFull         too many jobs wait already
└─ Cancelled            the user

Messages read *what must hold, however: what was found*. Surfaces map the five bases: the core knows no exit
code and no HTTP status.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "AdapterError",
    "BrokenFile",
    "Cancelled",
    "CheckpointError",
    "DoesNotFit",
    "GessoError",
    "NoDevice",
    "NotFinite",
    "OutOfMemory",
    "QueueFull",
    "RequestError",
    "ResourceError",
    "TensorMismatch",
    "UnknownFamily",
    "UnknownName",
    "UnsafeFile",
    "Unsupported",
]


class GessoError(Exception):
    """Anything gesso refuses or cannot do.

    Args:
        message: one line, *what must hold, however: what was found*.
        hint: one line on what to try, or empty.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class CheckpointError(GessoError):
    """The file is not one that can be used."""


class BrokenFile(CheckpointError):
    """The bytes contradict themselves; nothing was loaded."""


class UnsafeFile(CheckpointError):
    """Reading the file would have to run code that it carries; nothing was run."""


class UnknownFamily(CheckpointError):
    """No known family has these tensors."""


class TensorMismatch(CheckpointError):
    """The tensors are not exactly those the networks need."""


class RequestError(GessoError):
    """The request contradicts itself or asks for something that does not exist."""


class Unsupported(RequestError):
    """This model cannot do what was asked."""


class UnknownName(RequestError):
    """A name from a table, misspelt.

    Args:
        kind: what the name names, such as "sampler".
        name: what was asked for.
        known: the names there are.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        guess = f"did you mean {close[0]!r}? " if close else ""
        super().__init__(
            f"{kind} must be a known name, however: {name!r}", hint=f"{guess}known: {', '.join(names)}"
        )


class AdapterError(GessoError):
    """The add-on is not one that can be used."""


class DoesNotFit(AdapterError):
    """The add-on was made for another family."""


class ResourceError(GessoError):
    """The machine cannot do it."""


class OutOfMemory(ResourceError):
    """More memory is needed than there is; everything taken was given back."""


class NoDevice(ResourceError):
    """The named device is not on this machine."""


class NotFinite(ResourceError):
    """Infinity or NaN remained after every wider type was tried; no picture was saved."""


class QueueFull(ResourceError):
    """Too many jobs wait already; nothing was accepted."""


class Cancelled(GessoError):
    """The user stopped it."""
