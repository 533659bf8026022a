from pathlib import Path

import pytest

from tests.models import save_model
from tests.server.serving import client_of, png, settings_in

HEADERS = {"content-type": "image/png"}


def test_what_there_is_to_paint_with(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    save_model(settings.places.library / "tiny.safetensors", "sd2")
    client = client_of(settings)
    assert [each["family"] for each in client.get("/api/models").json()] == ["sd1", "sd2"]
    report = client.get("/api/inspect", params={"model": "tiny"}).json()
    assert (report["path"], report["family"]) == ("tiny.safetensors", "sd2")
    assert client.get("/api/inspect").json()["path"] == "emoji"
    library = client.get("/api/library").json()
    assert "euler" in library["samplers"]
    assert "canny" in library["annotators"]
    assert library["loras"] == ["builtin/loras/ink.safetensors"]
    assert all(each.startswith("builtin/controlnet") for each in library["controls"])
    assert {"tiny.safetensors", "builtin/loras/ink.safetensors"} <= set(library["files"])


def test_pictures_are_sent_once(tmp_path: Path) -> None:
    client = client_of(settings_in(tmp_path))
    sent = [client.post("/api/uploads", content=png(size=(8, 4)), headers=HEADERS).json() for _ in range(2)]
    assert sent[0] == sent[1]
    assert sent[0]["size"] == [8, 4]
    assert sent[0]["name"].startswith("uploads/")
    assert client.post("/api/uploads", content=b"\x80\x04.", headers=HEADERS).status_code == 400


def test_what_pictures_carry_is_read_and_nothing_made_up(tmp_path: Path) -> None:
    from PIL import Image

    from gesso.generation.pictures import Texts, packed

    client = client_of(settings_in(tmp_path))
    others = packed(
        Image.new("RGB", (8, 8)), ".png", Texts("a hat\nSteps: 4, Sampler: Euler a, Seed: 2, Model: m")
    )
    found = client.post("/api/recall", content=others, headers=HEADERS).json()
    assert found == {
        "model": "m",
        "request": {"prompt": "a hat", "negative": "", "steps": 4, "sampler": "euler_ancestral", "seed": 2},
    }
    larger = Texts("a hat\nSteps: 4, Seed: 2, Denoising strength: 0.5, Hires upscale: 2, Hires steps: 4")
    with_it = packed(Image.new("RGB", (8, 8)), ".png", larger)
    found = client.post("/api/recall", content=with_it, headers=HEADERS).json()
    (follow,) = found["request"]["then"]
    assert (follow["source"]["by"], follow["steps"]) == (2.0, 8)
    odd = packed(Image.new("RGB", (8, 8)), ".png", Texts(None, '["no record"]'))
    for each in (png(), b"no picture", odd):
        assert client.post("/api/recall", content=each, headers=HEADERS).status_code == 400


def test_prompts_are_looked_at(tmp_path: Path) -> None:
    client = client_of(settings_in(tmp_path))
    assert client.post("/api/lint", json={"text": "a hat"}).json() == []
    (found,) = client.post("/api/lint", json={"text": "a (hat"}).json()
    assert {"kind", "start", "end", "message"} == set(found)


@pytest.mark.parametrize(
    "query", ["", "?until=1&sign=x", "?until=9999999999&sign=x", "?until=9&sign=x&size=1x1e9"]
)
def test_a_picture_needs_its_link(tmp_path: Path, query: str) -> None:
    client = client_of(settings_in(tmp_path))
    assert client.get(f"/pictures/abc/0.png{query}").status_code in {403, 422}
    assert client.get("/pictures/..%2f..%2fjobs.db/0.png?until=9&sign=x").status_code in {403, 404}
