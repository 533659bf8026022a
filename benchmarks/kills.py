"""kill -9 of a server and its workers at random moments under load: what was accepted must not be lost.

python -m benchmarks.kills --kills 50 --out benchmarks/kills.json
"""

import argparse
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

import gesso
from benchmarks.serving import House, keep
from gesso.generation.result import read_request

WORDS = ("three strawberries", "a red hat", "an owl in the snow")


@dataclass
class Client:
    """Asks as fast as the queue is worked off, and remembers what was accepted."""

    house: House
    draw: random.Random
    accepted: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask until told to stop."""
        while not self.over.is_set():
            request = {
                "prompt": self.draw.choice(WORDS),
                "seed": self.draw.randrange(2**32),
                "steps": self.draw.randint(4, 12),
                "count": self.draw.randint(1, 6),
            }
            job = self.house.asked("POST", "/api/jobs", {"request": request})
            if job:
                self.accepted.append({"id": job["id"], "count": request["count"]})
            self.over.wait(0.2)


def killed(house: House, draw: random.Random) -> str:
    """Kill the server or a worker; returns which. A killed server is started again."""
    workers = house.workers()
    if workers and draw.random() < 0.5:
        os.kill(draw.choice(workers), signal.SIGKILL)
        return "worker"
    assert house.process is not None
    house.process.kill()
    house.process.wait()
    house.start()
    return "server"


def judged(house: House, accepted: list[dict[str, Any]]) -> dict[str, Any]:
    """How every accepted job ended, and whether its pictures are whole and what their requests paint."""
    states: Counter[str] = Counter()
    files: list[Path] = []
    missing = 0
    for each in accepted:
        job = house.asked("GET", f"/api/jobs/{each['id']}")
        states[job.get("state", "unknown")] += 1
        missing += job.get("state") == "done" and len(job["pictures"]) != each["count"]
        files += sorted((house.folder / "data" / "pictures" / each["id"]).glob("*.png"))
    whole = [path for path in files if path.stat().st_size]
    return {"jobs": dict(states), "jobs with pictures missing": missing, **_pictures(whole)}


def _pictures(files: list[Path], most: int = 60) -> dict[str, int]:
    torn = 0
    for path in files:
        try:
            with Image.open(path) as image:
                image.load()
        except OSError:
            torn += 1
    model = gesso.load(device="cpu")
    sample = random.Random(1).sample(files, min(most, len(files)))
    other = sum(not _same(model, path) for path in sample)
    return {"pictures": len(files), "torn": torn, "painted again": len(sample), "other pixels": other}


def _same(model: gesso.Model, path: Path) -> bool:
    request = gesso.Request.model_validate(read_request(path))
    with Image.open(path) as image:
        return bool(np.array_equal(np.asarray(image), np.asarray(gesso.paint(model, request).images[0])))


def main() -> None:
    """Kill, wait for the queue to end, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    draw = random.Random(told.seed)
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        house.start()
        client = Client(house, random.Random(told.seed + 1))
        asking = threading.Thread(target=client.run)
        asking.start()
        victims: Counter[str] = Counter()
        for number in range(told.kills):
            _wait_for_more(client)
            time.sleep(draw.uniform(0.1, 4.0))
            victims[killed(house, draw)] += 1
            print(f"{number + 1} kills, {len(client.accepted)} accepted", flush=True)
        client.over.set()
        asking.join()
        while _open(house):
            time.sleep(0.5)
        found = {"kills": dict(victims), "accepted": len(client.accepted), **judged(house, client.accepted)}
        house.stop()
    keep(found, told.out)


def _wait_for_more(client: Client) -> None:
    """Until something more was accepted, so that every kill meets work."""
    before = len(client.accepted)
    while len(client.accepted) == before:
        time.sleep(0.05)


def _open(house: House) -> list[str]:
    """Jobs that still wait or run."""
    try:
        listed = httpx.get(
            house.url + "/api/jobs", params={"state": ["queued", "running"], "limit": 1}, timeout=30
        )
    except httpx.HTTPError:
        return ["unknown"]
    return [each["id"] for each in listed.json()]


if __name__ == "__main__":
    main()
