from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gesso.server import grids
from gesso.server.keys import Keyring
from gesso.server.services import Services
from gesso.server.settings import Limits
from gesso.workers.table import JobTable, Listing
from tests.models import save_model
from tests.server.serving import client_of, settings_in

ASK = {"request": {"prompt": "a hat", "steps": 2, "seed": 3}}


def test_every_cell_is_a_job_and_the_grid_is_told_again(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    save_model(settings.places.library / "tiny.safetensors", "sd1")
    client = client_of(settings)
    asked = client.post("/api/grids", json={**ASK, "x": "steps=1,2,3", "y": "model=tiny,emoji"})
    assert asked.status_code == 202
    (listed,) = client.get("/api/grids").json()
    assert listed == asked.json()
    assert listed["axes"][:2] == [["steps 1", "steps 2", "steps 3"], ["model tiny", "model emoji"]]
    cells = client.get(f"/api/grids/{listed['id']}").json()["cells"]
    told = [(each["model"], each["request"]["steps"], each["request"]["seed"]) for each in cells]
    assert told == [(model, steps, 3) for model in ("tiny.safetensors", "") for steps in (1, 2, 3)]
    assert client.get("/api/grids/nothing").status_code == 404


@pytest.mark.parametrize(
    "said",
    [
        {"x": "steps=1,2", "y": "sampler=euler,nothing"},
        {"x": "model=emoji,nothing"},
        {"x": "nothing=1"},
        {"x": "seed=1-257"},
        {"x": "steps=1,2", "request": {"count": 2}},
        {"x": "loras.0.file=../secret.safetensors"},
    ],
)
def test_all_cells_can_be_painted_or_none_is_queued(tmp_path: Path, said: dict[str, Any]) -> None:
    settings = settings_in(tmp_path)
    answer = client_of(settings).post("/api/grids", json={**ASK, **said})
    assert 400 <= answer.status_code < 500
    assert JobTable.at(settings.address).listed(Listing()) == []


def test_a_full_queue_takes_none_of_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, limits=Limits(share=2))
    client = client_of(settings)
    assert client.post("/api/grids", json={**ASK, "x": "seed=1-3"}).status_code == 429
    assert {each.state for each in JobTable.at(settings.address).listed(Listing())} == {"cancelled"}
    assert client.get("/api/grids").json() == []


def test_grids_are_ones_own_and_the_oldest_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path)
    ring = Keyring(Services.of(settings).table.engine)
    keys = {name: {"authorization": f"Bearer {ring.add(name)}"} for name in ("ann", "bob")}
    client: TestClient = client_of(settings)
    monkeypatch.setattr(grids, "KEPT", 2)
    made = [
        client.post("/api/grids", json={**ASK, "x": f"seed={seed}"}, headers=keys["ann"]).json()["id"]
        for seed in (1, 2, 3)
    ]
    assert [each["id"] for each in client.get("/api/grids", headers=keys["ann"]).json()] == made[:0:-1]
    assert client.get(f"/api/grids/{made[2]}", headers=keys["bob"]).status_code == 404
