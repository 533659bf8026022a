import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gesso.errors import RequestError
from gesso.workers import cluster
from gesso.workers.cluster import Cluster
from gesso.workers.painter import Machine
from gesso.workers.places import Places
from gesso.workers.worker import Post


class FakeRay:
    """As much of Ray as is used: an actor's methods run in threads."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.killed: list[object] = []

    def init(self, address: str, **_: object) -> None:
        if address == "nowhere":
            raise ConnectionError("nobody answers")

    def remote(self, **options: Any) -> Any:
        self.asked.append(options)
        return lambda kind: SimpleNamespace(remote=lambda: self.actor(kind()))

    def actor(self, thing: Any) -> Any:
        def method(name: str) -> Any:
            def called(*args: object) -> threading.Thread:
                thread = threading.Thread(target=getattr(thing, name), args=args)
                thread.start()
                return thread

            return SimpleNamespace(remote=called)

        return SimpleNamespace(work=method("work"), leave=method("leave"))

    def wait(self, ends: list[threading.Thread], timeout: float | None) -> tuple[list[object], list[object]]:
        ends[0].join(timeout)
        return ([], [*ends]) if ends[0].is_alive() else ([*ends], [])

    def kill(self, actor: object) -> None:
        self.killed.append(actor)


def test_a_worker_is_hired_and_leaves_when_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = FakeRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(cluster, "work", lambda _post, leaving: leaving.wait(60))
    hired = [
        Cluster.at("auto").hire(Post("w", "sqlite://", Places(tmp_path, tmp_path), Machine(device)))
        for device in ("cuda", "cpu")
    ]
    assert ray.asked[0]["num_gpus"] == ray.asked[1]["num_cpus"] == 1
    for each in hired:
        assert each.is_alive()
        each.terminate()
        each.join(60)
        assert not each.is_alive()
        each.kill()
    assert len(ray.killed) == 2


def test_what_is_no_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    with pytest.raises(RequestError, match="must answer at nowhere, however: nobody answers"):
        Cluster.at("nowhere")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError, match="ray is missing"):
        Cluster.at("auto")
