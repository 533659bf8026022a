import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

import gesso
from gesso.errors import RequestError
from gesso.server.app import application
from gesso.server.catalogue import Catalogue
from gesso.server.keys import Keyring
from gesso.server.services import Services
from gesso.server.settings import Limits
from tests.server.serving import Server, client_of, picture, png, settings_in


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


def test_a_fault_is_told_in_the_doors_form_and_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Catalogue) -> NoReturn:
        raise RuntimeError("a secret")

    monkeypatch.setattr(Catalogue, "entries", broken)
    app = application(settings_in(tmp_path), crew=False)
    client = TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)
    for path in ("/api/models", "/v1/models", "/sdapi/v1/sd-models"):
        answer = client.get(path)
        assert answer.status_code == 500
        assert "error" in answer.json()
        assert "secret" not in answer.text


def test_health_is_told_to_everyone(tmp_path: Path) -> None:
    with client_of(settings_in(tmp_path)) as client:
        assert client.get("/api/health").json() == {"status": "ok", "workers": None}
        assert "gesso_jobs" in client.get("/metrics").text


SETTINGS: tuple[dict[str, Any], ...] = (
    {"sampler": "euler"},
    {"sampler": "dpmpp_2m", "schedule": "karras", "cfg": 3.0},
    {"loras": ["ink:0.7"]},
    {"clip_skip": 2, "negative": "blue"},
    {"guidance": {"rescale": 0.7}},
    {"prompt": "a (red:1.3) hat"},
    {"size": (64, 128)},
    {"seamless": "both"},
)


def test_each_of_eight_clients_gets_what_it_would_get_alone(served: Server) -> None:
    """Two models in turn, and settings that would show if they stayed behind in a model that is shared."""
    asks = [
        (model, {"prompt": "a hat", "seed": seed, "steps": 2, "size": (64, 64), **each})
        for seed, each in enumerate(SETTINGS)
        for model in ("", "tiny")
        if model == "" or "loras" not in each
    ]
    with ThreadPoolExecutor(8) as clients:
        painted = list(clients.map(lambda ask: _painted(served, *ask), asks))
    models = {
        "": gesso.load(device="cpu", dtype="float32"),
        "tiny": gesso.load(served.settings.places.library / "tiny.safetensors", dtype="float32"),
    }
    for (model, ask), packed in zip(asks, painted, strict=True):
        alone = gesso.paint(models[model], served.settings.places.inward(gesso.Request.model_validate(ask)))
        assert np.array_equal(np.asarray(picture(packed)), np.asarray(alone.images[0])), (model, ask)


def _painted(served: Server, model: str, request: dict[str, Any]) -> bytes:
    with httpx.Client(base_url=served.url, timeout=None) as client:
        job = client.post("/api/jobs", json={"model": model, "request": request}).raise_for_status().json()
        while job["state"] in {"queued", "running"}:
            time.sleep(0.02)
            job = client.get(f"/api/jobs/{job['id']}").json()
        assert job["state"] == "done", job["reason"]
        return client.get(job["pictures"][0]["url"]).content
