"""gesso's own door, with a real server and a real model behind it."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import gesso
from gesso.request import Request
from tests.server.serving import Server, client_of, picture, settings_in

REQUEST = {"prompt": "a red hat", "steps": 3, "seed": 7, "size": [64, 64]}


def finished(client: httpx.Client, job: str) -> dict[str, Any]:
    for _ in range(3000):
        found = client.get(f"/api/jobs/{job}").json()
        if found["state"] not in {"queued", "running"}:
            return found
        time.sleep(0.01)
    raise AssertionError("it takes for ever")


def test_a_job_is_followed_to_its_picture_which_is_what_painting_gives(served: Server) -> None:
    with httpx.Client(base_url=served.url, timeout=60) as client:
        asked = client.post("/api/jobs", json={"model": "tiny", "request": REQUEST})
        assert asked.status_code == 202
        job = asked.json()["id"]
        with client.stream("GET", f"/api/jobs/{job}/events") as stream:
            told = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
        assert told[-1]["state"] == "done"
        assert [each["done"] for each in told] == sorted(each["done"] for each in told)
        got = client.get(told[-1]["pictures"][0]["url"])
        assert got.headers["content-type"] == "image/png"
        model = gesso.load(served.settings.places.library / "tiny.safetensors", dtype="float32")
        alone = gesso.paint(model, Request.model_validate(REQUEST)).images[0]
        assert np.array_equal(picture(got.content), alone)
        recalled = client.post(
            "/api/recall", content=got.content, headers={"content-type": "image/png"}
        ).json()
        assert recalled["model"] == "tiny.safetensors"
        assert recalled["request"] == told[-1]["request"]
        assert client.get(f"/api/jobs/{job}/preview").status_code == 204


def test_a_picture_is_edited_where_its_mask_says(served: Server, tmp_path: Path) -> None:
    with httpx.Client(base_url=served.url, timeout=60) as client:
        source = Image.new("RGBA", (64, 64), (10, 200, 30, 255))
        source.paste((0, 0, 0, 0), (32, 0, 64, 64))
        source.save(tmp_path / "a.png")
        headers = {"content-type": "image/png"}
        name = client.post("/api/uploads", content=(tmp_path / "a.png").read_bytes(), headers=headers).json()[
            "name"
        ]
        edit = {**REQUEST, "source": {"image": name, "strength": 1.0, "mask": {"paint": "transparent"}}}
        job = client.post("/api/jobs", json={"request": edit}).json()
        done = finished(client, job["id"])
        assert done["state"] == "done", done["reason"]
        assert done["request"]["source"]["image"] == name
        painted = np.asarray(picture(client.get(done["pictures"][0]["url"]).content).convert("RGB"))
        assert (painted[:, :32] == (10, 200, 30)).all()
        assert (painted[:, 40:] != (10, 200, 30)).any()


def test_jobs_are_cancelled_moved_and_tried_again(tmp_path: Path) -> None:
    client = client_of(settings_in(tmp_path))
    first, second = (client.post("/api/jobs", json={"request": REQUEST}).json()["id"] for _ in range(2))
    assert client.post(f"/api/jobs/{second}/move", json={"before": first}).json()["ahead"] == 0
    assert client.get(f"/api/jobs/{first}").json()["ahead"] == 1
    assert client.post(f"/api/jobs/{second}/retry").status_code == 409
    assert client.post(f"/api/jobs/{second}/skip").status_code == 409
    assert client.delete(f"/api/jobs/{second}").json()["state"] == "cancelled"
    assert client.post(f"/api/jobs/{second}/move", json={"before": first}).status_code == 409
    assert client.post(f"/api/jobs/{second}/retry").json()["state"] == "queued"
    listed = client.get("/api/jobs", params={"state": "queued", "words": "hat"}).json()
    assert [(each["id"], each["ahead"]) for each in listed] == [(second, 1), (first, 0)]


def test_the_same_idempotency_key_is_the_same_job(tmp_path: Path) -> None:
    client = client_of(settings_in(tmp_path))
    for header, count in (({"idempotency-key": "k"}, 1), ({}, 2)):
        asked = [client.post("/api/jobs", json={"request": REQUEST}, headers=header) for _ in range(2)]
        assert len({each.json()["id"] for each in asked}) == count


def test_a_plan_tells_and_queues_nothing(tmp_path: Path) -> None:
    client = client_of(settings_in(tmp_path))
    planned = client.post("/api/plan", json={"request": {"prompt": "a hat", "count": 2}}).json()
    assert (planned["steps"], planned["request"]["size"]) == (32, [64, 64])
    assert client.get("/api/jobs").json() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"request": {"prompt": "x", "colour": "red"}}, 422),
        ({"request": {"size": [65, 64]}}, 400),
        ({"request": {"sampler": "eulr"}}, 400),
        ({"model": "nothing", "request": {}}, 400),
        ({"model": "../../etc/passwd", "request": {}}, 400),
        ({"request": {"source": {"image": "/etc/passwd"}}}, 400),
        ({"request": {"source": {"image": "uploads/../jobs.db"}}}, 400),
        ({"request": {"loras": ["../secret.safetensors"]}}, 400),
        ({"request": {"wildcards": "../"}}, 400),
        ({"request": {"refiner": "http://example.org/x.safetensors"}}, 400),
        ({"request": {"prompt": "<lora:nothing>"}}, 400),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_queued(
    tmp_path: Path, body: dict[str, Any], status: int
) -> None:
    client = client_of(settings_in(tmp_path))
    answer = client.post("/api/jobs", json=body)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "param"}
    assert str(tmp_path) not in answer.text
    assert client.get("/api/jobs").json() == []
