import json
from pathlib import Path

import pytest

from gesso.server.keys import Keyring
from gesso.server.services import Services
from tests.server.serving import client_of, settings_in


def run(folder: Path, *, steps: int = 3, bands: int = 0) -> None:
    folder.mkdir(parents=True)
    recipe = {"subject": {"kind": "lora"}, "run": {"steps": 10}}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    lines = [json.dumps({"step": step, "loss": 1 / step}) + "\n" for step in range(1, steps + 1)]
    (folder / "losses.jsonl").write_text("".join(lines) + '{"step": 99, "lo')
    if bands:
        row = {"step": 2, "loss": 0.5, "bands": [0.25] * bands}
        (folder / "validation.jsonl").write_text(json.dumps(row) + "\n")


def test_runs_are_told_with_their_curves(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, runs=tmp_path / "runs")
    run(settings.runs / "deep" / "cat", bands=2)
    run(settings.places.library / "dog", steps=1000)
    (settings.runs / "broken").mkdir()
    (settings.runs / "broken" / "losses.jsonl").write_text("nothing\n")
    client = client_of(settings)
    told = {
        each["name"]: (each["learns"], each["step"], each["steps"]) for each in client.get("/api/runs").json()
    }
    assert told == {"deep/cat": ("lora", 3, 10), "dog": ("lora", 1000, 10)}
    cat = client.get("/api/runs/deep/cat").json()
    assert cat["losses"] == [[1, 1.0], [2, 0.5], [3, 1 / 3]]
    assert cat["measured"] == {"1": [[2, 0.25]], "2": [[2, 0.25]]}
    assert len(client.get("/api/runs/dog").json()["losses"]) == 500
    for name in ("broken", "nothing", "..", "../library/dog", "%2e%2e/library/dog"):
        assert client.get(f"/api/runs/{name}").status_code == 404


def test_runs_are_for_those_who_manage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # trainings of one's own lie in ./runs
    monkeypatch.chdir(tmp_path)
    settings = settings_in(tmp_path)
    run(settings.places.library / "dog")
    ring = Keyring(Services.of(settings).table.engine)
    client = client_of(settings)
    keys = ring.add("ann", ["paint"]), ring.add("root", ["paint", "manage"])
    for key, count in zip(keys, (0, 1), strict=True):
        headers = {"authorization": f"Bearer {key}"}
        assert len(client.get("/api/runs", headers=headers).json()) == count
        assert client.get("/api/runs/dog", headers=headers).status_code == (200 if count else 404)
