"""Who gets in: keys, scopes, other people's jobs, pages of other sites."""

import base64
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gesso.server.keys import Keyring
from gesso.server.services import Services
from tests.server.serving import client_of, png, settings_in

ASK = {"request": {"prompt": "a hat", "steps": 2}}


@pytest.fixture
def keyed(tmp_path: Path) -> tuple[TestClient, dict[str, str]]:
    settings = settings_in(tmp_path)
    ring = Keyring(Services.of(settings).table.engine)
    keys = {name: ring.add(name, scopes) for name, scopes in (("ann", ["paint"]), ("bob", ["paint"]))}
    keys["root"] = ring.add("root", ["paint", "manage", "admin"])
    return client_of(settings), keys


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_every_door_asks_for_a_key_and_never_tells_one(keyed: tuple[TestClient, dict[str, str]]) -> None:
    client, keys = keyed
    document = client.get("/openapi.json").json()
    free = {"/api/health", "/pictures/{job}/{picture}.{kind}"}
    asked = [
        (path, method) for path, each in document["paths"].items() for method in each if path not in free
    ]
    assert len(asked) > 12
    for path, method in asked:
        for headers in ({}, bearer("gesso-wrong")):
            answer = client.request(method, path.replace("{", "").replace("}", ""), headers=headers)
            assert answer.status_code == 401, (method, path)
    for path, method in asked:
        if method == "get" and "{" not in path:
            answer = client.get(path, headers=bearer(keys["root"]))
            assert answer.status_code < 500
            assert not any(key in answer.text for key in keys.values())


@pytest.mark.parametrize("kind", ["bearer", "api-key", "x-api-key", "basic"])
def test_a_key_comes_in_the_headers_that_clients_use(
    keyed: tuple[TestClient, dict[str, str]], kind: str
) -> None:
    client, keys = keyed
    basic = base64.b64encode(f"anyone:{keys['ann']}".encode()).decode()
    headers = {"bearer": bearer(keys["ann"]), "basic": {"authorization": f"Basic {basic}"}}
    assert client.get("/api/models", headers=headers.get(kind, {kind: keys["ann"]})).status_code == 200


def test_a_broken_header_is_no_key(keyed: tuple[TestClient, dict[str, str]]) -> None:
    client, _ = keyed
    for text in ("Basic ü".encode(), b"Basic ====", b"Bearer", b"\xff"):
        assert client.get("/api/models", headers={b"authorization": text}).status_code == 401


def test_jobs_of_others_are_not_there(keyed: tuple[TestClient, dict[str, str]]) -> None:
    client, keys = keyed
    job = client.post("/api/jobs", json=ASK, headers=bearer(keys["ann"])).json()["id"]
    for method, path in (
        ("get", ""),
        ("delete", ""),
        ("post", "/retry"),
        ("get", "/events"),
        ("get", "/preview"),
    ):
        answer = client.request(method, f"/api/jobs/{job}{path}", headers=bearer(keys["bob"]))
        assert answer.status_code == 404, path
    assert client.get("/api/jobs", headers=bearer(keys["bob"])).json() == []
    assert client.get(f"/api/jobs/{job}", headers=bearer(keys["ann"])).json()["state"] == "queued"
    assert len(client.get("/api/jobs", headers=bearer(keys["root"])).json()) == 1


def test_a_scope_is_needed(keyed: tuple[TestClient, dict[str, str]]) -> None:
    client, keys = keyed
    job = client.post("/api/jobs", json=ASK, headers=bearer(keys["ann"])).json()["id"]
    for name, status in (("ann", 403), ("root", 200)):
        assert client.get("/metrics", headers=bearer(keys[name])).status_code == status
        moved = client.post(f"/api/jobs/{job}/move", json={}, headers=bearer(keys[name]))
        assert moved.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:7860"}, 200),
        ({"origin": "https://friend.example"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost:7860"}, 200),
    ],
)
def test_pages_of_other_sites_do_not_get_in(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    client = client_of(settings_in(tmp_path, origins=("https://friend.example",)))
    answer = client.post("/api/uploads", content=png(), headers={**headers, "content-type": "image/png"})
    assert answer.status_code == (201 if status == 200 else status)
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == (headers["origin"] if "friend" in headers.get("origin", "") else None)
