from pathlib import Path

import pytest

from gesso.server.settings import Settings, folders, loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_this_machines_own_addresses_are_known(host: str) -> None:
    assert loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", "localhost.example.org", ""])
def test_others_are_not(host: str) -> None:
    assert not loopback(host)


def test_the_queue_lies_with_the_data_unless_told(tmp_path: Path) -> None:
    places = folders(tmp_path / "library", tmp_path / "data")
    assert places.library.is_dir()
    assert Settings(places).address == f"sqlite:///{tmp_path / 'data' / 'jobs.db'}"
    assert Settings(places, database="sqlite://").address == "sqlite://"
