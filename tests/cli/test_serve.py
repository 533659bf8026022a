import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import gesso
from gesso.cli.main import main
from gesso.cli.serve import Serve


def test_the_command_line_becomes_settings(tmp_path: Path) -> None:
    said = Serve(
        library=tmp_path / "l",
        data=tmp_path / "d",
        device=["cpu"],
        workers=2,
        aliases={"dall-e-3": "x"},
        days=1,
    )
    settings = said.settings()
    assert [each.device for each in settings.machines] == ["cpu", "cpu"]
    assert settings.aliases == {"dall-e-3": "x"}
    assert settings.keeping.age == 86400.0
    assert settings.places.library == tmp_path / "l"


def test_an_open_address_needs_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ["--library", str(tmp_path), "--data", str(tmp_path)]
    assert main(["serve", "--host", "0.0.0.0", *folders]) == 2
    assert "must have keys" in capsys.readouterr().err


def test_a_cluster_needs_a_database_that_its_machines_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--library", str(tmp_path), "--data", str(tmp_path)]
    assert main(["serve", "--ray", "auto", *folders]) == 2
    assert "must share a database" in capsys.readouterr().err


def test_it_serves_with_a_worker_of_its_own_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gesso", "serve", "--port", str(port), "--data", str(tmp_path)]
    source = os.environ | {"PYTHONPATH": str(Path(gesso.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen([*command, "--library", str(tmp_path), "--device", "cpu"], env=source)
    try:
        url = f"http://127.0.0.1:{port}/api"
        ask = json.dumps({"request": {"prompt": "a hat", "steps": 2}}).encode()
        job = told(f"{url}/jobs", ask)
        while job["state"] in {"queued", "running"}:
            time.sleep(0.05)
            job = told(f"{url}/jobs/{job['id']}")
        assert job["state"] == "done"
    finally:
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) is not None


def told(url: str, body: bytes | None = None) -> dict[str, str]:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    for _ in range(600):
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except (ConnectionError, urllib.error.URLError):
            time.sleep(0.1)
    raise AssertionError("it does not answer")
