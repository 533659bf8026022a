"""A `gesso serve` of its own for a benchmark, started and killed as a person would."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx

__all__ = ["House", "free_port", "keep"]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@dataclass
class House:
    """A server in a folder; it may be started again after it was killed.

    Args:
        options: what else `gesso serve` is told.
        threads: with how many its worker computes.
        ready: how many workers it has.
    """

    folder: Path
    options: tuple[str, ...] = ("--device", "cpu")
    threads: int = 1
    ready: int = 1
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers and its worker lives."""
        places = ["--data", str(self.folder / "data"), "--library", str(self.folder / "library")]
        command = [
            sys.executable,
            "-m",
            "gesso",
            "serve",
            "--port",
            str(self.port),
            *self.options,
            *places,
        ]
        self.process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": str(self.threads)})
        while self.asked("GET", "/api/health").get("workers") != self.ready:
            time.sleep(0.1)

    def asked(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """An answer, or nothing while it is down."""
        try:
            answer = httpx.request(method, self.url + path, json=body, timeout=30)
        except httpx.HTTPError:
            return {}
        return cast(dict[str, Any], answer.json()) if answer.is_success else {}

    def workers(self) -> list[int]:
        """Process ids of what it started."""
        assert self.process is not None
        told = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(each) for path in told for each in path.read_text().split() if _works(int(each))]

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def keep(found: dict[str, Any], out: Path | None) -> None:
    """Print what was found, with the machine, and write it to a file if there is to be one."""
    text = json.dumps({**found, "machine": _machine()}, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")


def _machine() -> dict[str, Any]:
    """What a result depends on, beside gesso."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": sys.version.split()[0],
    }


def _works(pid: int) -> bool:
    """Whether this is a worker, and not what helps Python to look after its processes."""
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
