"""What an attacker sends, at every door: refused with the right status, and nothing happens.

Source of the list: OWASP's Web Security Testing Guide, as far as it speaks of a server without users' pages.
"""

import base64
import os
import pickle
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from fastapi.testclient import TestClient

from gesso.server.keys import Keyring
from gesso.server.services import Services
from gesso.server.settings import Limits, Settings
from gesso.workers.job import Picture
from gesso.workers.table import JobTable, Turn
from tests.files import torch_zip
from tests.server.serving import bomb, client_of, png, settings_in

ASK = {"prompt": "a hat in the dark", "steps": 2, "seed": 1}
IMAGE = {"content-type": "image/png"}


def house(folder: Path) -> Settings:
    """A server's settings beside files that nobody may reach."""
    found = settings_in(folder / "house", limits=Limits(body=200_000, pixels=10_000), runs=folder / "runs")
    (folder / "secret.safetensors").write_bytes(b"secret")
    (folder / "secret.png").write_bytes(png())
    (found.places.library / "link.png").symlink_to(folder / "secret.png")
    (found.places.library / "folder").symlink_to(folder)
    return found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return house(tmp_path)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Speaks to a server without keys, which must not reach out to any other."""

    def connected(*_: object) -> NoReturn:
        raise AssertionError("the server must not reach out")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connected)
        patch.setattr(socket, "getaddrinfo", connected)
        yield client_of(house(tmp_path_factory.mktemp("security")))


OUTSIDE = [
    "../secret.png",
    "..\\secret.png",
    "%2e%2e/secret.png",
    "/etc/passwd",
    "file:///etc/passwd",
    "\\\\host\\share\\x.png",
    "uploads/../../secret.png",
    "uploads/..%2fjobs.db",
    "builtin/../../../x.png",
    "link.png",
    "folder/secret.png",
    "secret\x00.png",
    "~/secret.png",
    "x" * 5000,
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_name_leads_outside(client: TestClient, name: str) -> None:
    asked: list[dict[str, Any]] = [
        {"source": {"image": name}},
        {"source": {"image": "builtin/emoji.safetensors", "mask": name}},
        {"loras": [name]},
        {"embeddings": [name]},
        {"controls": [{"model": name}]},
        {"controls": [{"model": "canny", "image": name}]},
        {"image_prompts": [{"images": [name]}]},
        {"refiner": name},
        {"styles": ["x"], "styles_file": name},
        {"reference": {"image": name}},
        {"then": [{"model": name}]},
        {"then": [{"by": 2, "upscaler": name}]},
    ]
    for each in asked:
        answer = client.post("/api/jobs", json={"request": {**ASK, **each}})
        assert answer.status_code in {400, 422}, each
        assert "secret.safetensors" not in answer.text
    assert client.post("/api/jobs", json={"model": name, "request": ASK}).status_code in {400, 422}
    assert client.get("/api/inspect", params={"model": name}).status_code in {400, 422}
    settings = {"override_settings": {"sd_model_checkpoint": name}}
    assert client.post("/sdapi/v1/txt2img", json=settings).status_code == 400
    unit = {"args": [{"enabled": True, "model": name, "image": base64.b64encode(png()).decode()}]}
    scripts = {"alwayson_scripts": {"controlnet": unit}}
    assert client.post("/sdapi/v1/txt2img", json=scripts).status_code == 400
    assert client.post("/v1/images/generations", json={"prompt": "x", "model": name}).status_code in {
        400,
        404,
    }
    assert client.get("/api/jobs", params={"words": ASK["prompt"]}).json() == []


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.png",
        "/%2e%2e/%2e%2e/secret.png",
        "/..%2f..%2fsecret.png",
        "/....//secret.png",
        "//etc/passwd",
        "/pictures/..%2f..%2fjobs.db",
        "/pictures/../jobs.db/0.png?until=99999999999&sign=x",
        "/api/runs/..%2f..",
        "/api/runs/%2fetc",
        "/api/grids/..%2fgrid",
        "/v1/models/..%2f..%2fsecret",
        "/app.py",
        "/../app.py",
    ],
)
def test_no_path_leads_outside(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in {403, 404, 422}
    assert b"gesso.server" not in answer.content


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/x.png",
        "file:///etc/passwd",
        "ftp://localhost/x",
        "//localhost/x.png",
    ],
)
def test_no_address_is_fetched(client: TestClient, address: str) -> None:
    unit = {
        "alwayson_scripts": {"controlnet": {"args": [{"enabled": True, "model": "canny", "image": address}]}}
    }
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/v1/images/edits", {"prompt": "x", "images": [{"image_url": address}]}),
        ("/v1/images/edits", {"prompt": "x", "images": [], "mask": {"image_url": address}}),
        ("/sdapi/v1/img2img", {"init_images": [address]}),
        ("/sdapi/v1/img2img", {"init_images": [base64.b64encode(png()).decode()], "mask": address}),
        ("/sdapi/v1/txt2img", unit),
        ("/sdapi/v1/png-info", {"image": address}),
        ("/sdapi/v1/extra-single-image", {"image": address}),
        ("/controlnet/detect", {"controlnet_module": "canny", "controlnet_input_images": [address]}),
        ("/api/jobs", {"request": {**ASK, "source": {"image": address}}}),
    ]
    for path, body in asked:
        assert client.post(path, json=body).status_code == 400, path


def texts(size: int) -> bytes:
    """A PNG with a text that unpacks to very much."""
    whole = png(size=(8, 8))
    data = b"parameters\0\0" + zlib.compress(b"x" * size, 9)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return whole[:33] + chunk + whole[33:]


@pytest.mark.parametrize(
    ("packed", "statuses"),
    [
        (bomb(10_000, 10_000), {413}),
        (bomb(60_000, 60_000), {400, 413}),
        (png(size=(101, 100)), {413}),
        (texts(50 * 2**20), {400}),
        (b"GIF89a" + bytes(100), {400}),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", {400}),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", {400}),
        (pickle.dumps({"a": 1}), {400}),
        (b"PK\x03\x04" + bytes(64), {400}),
    ],
)
def test_no_picture_is_unpacked_that_is_too_large_or_none(
    client: TestClient, packed: bytes, statuses: set[int]
) -> None:
    text = base64.b64encode(packed).decode()
    address = {"image_url": f"data:image/png;base64,{text}"}
    answers = [
        client.post("/api/uploads", content=packed, headers=IMAGE),
        client.post("/api/recall", content=packed, headers=IMAGE),
        client.post("/sdapi/v1/img2img", json={"init_images": [text]}),
        client.post("/sdapi/v1/png-info", json={"image": text}),
        client.post("/sdapi/v1/extra-single-image", json={"image": text}),
        client.post("/v1/images/edits", json={"prompt": "x", "images": [address]}),
        client.post("/v1/images/edits", data={"prompt": "x"}, files={"image": ("a.png", packed)}),
    ]
    assert {each.status_code for each in answers} <= statuses


def test_no_body_is_read_that_is_too_large_or_too_deep(client: TestClient) -> None:
    large = b"x" * 200_001
    assert client.post("/api/uploads", content=large, headers=IMAGE).status_code == 413
    parts = (large[:100_000] for _ in range(3))
    assert client.post("/api/uploads", content=parts, headers=IMAGE).status_code == 413
    files = {"image": ("a.png", large)}
    assert client.post("/v1/images/edits", data={"prompt": "x"}, files=files).status_code == 413
    json = {"content-type": "application/json"}
    for path in ("/api/jobs", "/v1/images/generations", "/sdapi/v1/txt2img"):
        for deep in (b"[" * 90_000, b'{"a":' * 30_000):
            assert client.post(path, content=deep, headers=json).status_code in {400, 422}
        zipped = {**json, "content-encoding": "gzip"}
        assert client.post(path, content=zlib.compress(b"{}"), headers=zipped).status_code in {400, 422}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "evil@127.0.0.1:80@evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1.evil.example"}, 403),
        ({"x-forwarded-host": "evil.example"}, 202),
        ({"x-http-method-override": "DELETE"}, 202),
        ({"x-original-url": "/metrics"}, 202),
        ({"idempotency-key": "'; drop table jobs; --"}, 202),
    ],
)
def test_headers_open_nothing(client: TestClient, headers: dict[str, str], status: int) -> None:
    answer = client.post("/api/jobs", json={"request": {**ASK, "prompt": "a coat"}}, headers=headers)
    assert answer.status_code == status
    assert "evil" not in answer.text
    assert "access-control-allow-origin" not in answer.headers
    answer = client.options("/api/jobs", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "key", ["", "x", "gesso-", "é".encode().decode("latin-1"), "x" * 10_000, "' or 1=1 --"]
)
def test_a_wrong_key_opens_nothing(settings: Settings, key: str) -> None:
    Keyring(Services.of(settings).table.engine).add("ann")
    client = client_of(settings)
    basic = base64.b64encode(f"ann:{key}".encode()).decode()
    for headers in (
        {"authorization": f"Bearer {key}".encode()},
        {"authorization": f"Basic {basic}".encode()},
        {"authorization": b"Basic \xff"},
        {"api-key": key.encode()},
        {"x-api-key": key.encode()},
        {"cookie": f"key={key}".encode()},
    ):
        assert client.get("/api/jobs", headers=headers).status_code == 401
        assert client.get(f"/api/jobs?key={len(key)}", headers=headers).status_code == 401


def test_one_key_reaches_nothing_of_another(settings: Settings) -> None:
    of = Services.of(settings)
    ring = Keyring(of.table.engine)
    ann, bob = ({"authorization": f"Bearer {ring.add(name)}"} for name in ("ann", "bob"))
    client = client_of(settings)
    said = {"headers": {**ann, "idempotency-key": "k"}, "json": {"request": ASK}}
    job = client.post("/api/jobs", **said).json()["id"]
    grid = client.post("/api/grids", json={"request": ASK, "x": "cfg=1,2"}, headers=ann).json()["id"]
    table: JobTable = of.table
    assert table.claim(Turn("w")) is not None
    table.painted(job, "w", Picture(file="0.png", seed=1, prompt="a hat in the dark", size=(8, 8)))
    for method, path in (
        ("GET", f"/api/jobs/{job}"),
        ("DELETE", f"/api/jobs/{job}"),
        ("POST", f"/api/jobs/{job}/retry"),
        ("GET", f"/api/jobs/{job}/events"),
        ("GET", f"/api/jobs/{job}/preview"),
        ("GET", f"/api/grids/{grid}"),
        ("POST", f"/api/jobs/{job}/move"),
    ):
        assert client.request(method, path, json={}, headers=bob).status_code == 404, path
    assert client.get("/metrics", headers=bob).status_code == 403
    for path in ("/api/jobs", "/api/grids"):
        assert client.get(path, headers=bob).json() == []
    assert client.get("/sdapi/v1/progress", headers=bob).json()["state"]["job_count"] == 0
    assert client.post("/sdapi/v1/interrupt", headers=bob).status_code == 200
    found = table.get(job)
    assert found is not None
    assert not found.cancelling
    again = client.post("/api/jobs", json={"request": ASK}, headers={**bob, "idempotency-key": "k"})
    assert again.json()["id"] != job
    link = client.get(f"/api/jobs/{job}", headers=ann).json()["pictures"][0]["url"]
    for other in (link.replace(job, again.json()["id"]), link.replace("/0.png", "/1.png"), link[:-1] + "_"):
        assert client.get(other).status_code == 403


class Evil:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.canary}",)


def test_no_pickle_is_run(settings: Settings, tmp_path: Path) -> None:
    client, canary = client_of(settings), tmp_path / "ran"
    packed = pickle.dumps(Evil(canary))
    for name, content in (
        ("evil.ckpt", packed),
        ("zip.pt", torch_zip(packed, {})),
        ("loras/evil.bin", packed),
    ):
        path = settings.places.library / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    assert [each["title"] for each in client.get("/api/models").json()] == ["emoji"]
    for name in ("evil.ckpt", "zip.pt"):
        assert client.get("/api/inspect", params={"model": name}).status_code == 400
        assert client.post("/api/jobs", json={"model": name, "request": ASK}).status_code == 400
    lora = {**ASK, "loras": ["loras/evil.bin"]}
    assert client.post("/api/jobs", json={"request": lora}).status_code == 400
    assert client.post("/api/uploads", content=packed, headers=IMAGE).status_code == 400
    for path in ("/api/uploads/evil.ckpt", "/api/models", "/api/library"):
        for method in ("PUT", "PATCH", "DELETE"):
            assert client.request(method, path, content=packed).status_code in {404, 405}
    assert not canary.exists()
