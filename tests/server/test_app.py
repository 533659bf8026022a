from pathlib import Path

import pytest

from gesso.errors import RequestError
from gesso.server.app import application
from gesso.server.keys import Keyring
from gesso.server.services import Services
from gesso.server.settings import Limits
from tests.server.serving import client_of, png, settings_in


def test_nobody_else_gets_in_without_a_key(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, host="0.0.0.0")
    with pytest.raises(RequestError, match="must have keys"):
        application(settings, crew=False)
    Keyring(Services.of(settings).table.engine).add("ann")
    application(settings, crew=False)


def test_bodies_are_bounded(tmp_path: Path) -> None:
    client = client_of(settings_in(tmp_path, limits=Limits(body=100)))
    for headers in ({"content-type": "image/png"}, {"content-type": "application/json"}):
        assert client.post("/api/uploads", content=png(), headers=headers).status_code == 413
    assert client.post("/api/uploads", content=iter([b"x" * 60] * 3)).status_code == 413


def test_the_queue_is_bounded(tmp_path: Path) -> None:
    client = client_of(settings_in(tmp_path, limits=Limits(waiting=1)))
    asked = [client.post("/api/jobs", json={"request": {"steps": 2}}) for _ in range(2)]
    assert [each.status_code for each in asked] == [202, 429]
    assert asked[1].headers["retry-after"]


def test_health_is_told_to_everyone(tmp_path: Path) -> None:
    with client_of(settings_in(tmp_path)) as client:
        assert client.get("/api/health").json() == {"status": "ok", "workers": None}
        assert "gesso_jobs" in client.get("/metrics").text
