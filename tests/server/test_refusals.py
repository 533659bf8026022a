import pytest

from gesso.errors import (
    AdapterError,
    BrokenFile,
    Cancelled,
    GessoError,
    NoDevice,
    QueueFull,
    UnknownName,
    Unsupported,
)
from gesso.server.refusals import refused


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (QueueFull("full"), 429, "queue_full"),
        (UnknownName("sampler", "eulr", ["euler"]), 400, "unknown_name"),
        (Unsupported("no"), 400, "unsupported"),
        (AdapterError("no"), 400, "adapter_does_not_fit"),
        (BrokenFile("no"), 400, "bad_checkpoint"),
        (NoDevice("no"), 503, "out_of_resources"),
        (Cancelled("no"), 500, "error"),
    ],
)
def test_every_error_has_its_status(error: GessoError, status: int, code: str) -> None:
    found = refused(error)
    assert (found.status, found.code) == (status, code)
    assert str(error) in str(found)
    assert error.hint in str(found)
