from pathlib import Path

import pytest

from gesso.errors import RequestError
from gesso.server.keys import Keyring
from gesso.workers.schema import opened


def test_a_key_opens_until_it_is_removed_and_is_kept_nowhere(tmp_path: Path) -> None:
    ring = Keyring(opened(f"sqlite:///{tmp_path / 'jobs.db'}"))
    assert not ring
    text = ring.add("ann", ["paint", "admin"])
    assert ring
    caller = ring.caller(text)
    assert caller is not None
    assert (caller.name, caller.may("admin"), caller.may("manage")) == ("ann", True, False)
    assert ring.caller(text + "x") is None
    assert ring.names() == {"ann": ["paint", "admin"]}
    ring.engine.dispose()
    assert not any(text.encode() in each.read_bytes() for each in tmp_path.iterdir())
    assert ring.remove("ann")
    assert not ring.remove("ann")
    assert ring.caller(text) is None


@pytest.mark.parametrize(("name", "scopes"), [("", ["paint"]), ("ann", ["all"]), ("bob", ["paint"])])
def test_what_is_no_key_is_refused(tmp_path: Path, name: str, scopes: list[str]) -> None:
    ring = Keyring(opened(f"sqlite:///{tmp_path / 'jobs.db'}"))
    ring.add("bob")
    with pytest.raises(RequestError):
        ring.add(name, scopes)
