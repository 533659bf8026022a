"""Many clients poll and stream while jobs run: how long answers take, and what it costs the painting.

python -m benchmarks.load --clients 200 --out benchmarks/load.json

Bare painting and painting behind the server take turns, so that what else the machine does counts for both.
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx

import gesso
from benchmarks.serving import House, machine

REQUEST = {"prompt": "three strawberries", "steps": 16, "count": 20}
PATHS = ("/api/jobs?limit=5", "/api/models", "/api/health", "/v1/models", "/sdapi/v1/progress")


def bare() -> float:
    """Pictures a second of the engine alone, in a process of its own as a worker is."""
    model = gesso.load(device="cpu")
    request = gesso.Request.model_validate({**REQUEST, "seed": 1})
    gesso.paint(model, request.model_copy(update={"count": 1}))
    began = time.perf_counter()
    gesso.paint(model, request)
    return request.count / (time.perf_counter() - began)


async def busy(url: str, clients: int) -> tuple[float, list[float]]:
    """Pictures a second of a job behind the server, and seconds that every other answer took."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await _over(client, await _asked(client, {**REQUEST, "count": 1}))
        job = await _asked(client, REQUEST)
        took: list[float] = []
        half = clients // 2
        crowd = [asyncio.create_task(_polling(client, number, took)) for number in range(half)]
        crowd += [asyncio.create_task(_streaming(client, job)) for _ in range(clients - half)]
        found = await _over(client, job)
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
    return found["request"]["count"] / (found["ended"] - found["started"]), took


async def _asked(client: httpx.AsyncClient, request: dict[str, Any]) -> str:
    answer = await client.post("/api/jobs", json={"request": request})
    return str(answer.raise_for_status().json()["id"])


async def _over(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = (await client.get(f"/api/jobs/{job}")).json()
        if found["state"] not in {"queued", "running"}:
            return found
        await asyncio.sleep(0.1)


async def _polling(client: httpx.AsyncClient, number: int, took: list[float]) -> None:
    await asyncio.sleep(number / 100)
    while True:
        began = time.perf_counter()
        await client.get(PATHS[number % len(PATHS)])
        took.append(time.perf_counter() - began)
        await asyncio.sleep(1.0)


async def _streaming(client: httpx.AsyncClient, job: str) -> None:
    async with client.stream("GET", f"/api/jobs/{job}/events") as stream:
        async for _ in stream.aiter_lines():
            pass


def main() -> None:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    alone: list[float] = []
    behind: list[float] = []
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        house.start()
        for _ in range(told.rounds):
            alone.append(bare())
            speed, seconds = asyncio.run(busy(house.url, told.clients))
            behind.append(speed)
            took += seconds
        house.stop()
    found = {
        "clients": told.clients,
        "answers": len(took),
        "milliseconds, median": round(1000 * quantiles(took, n=100)[49], 1),
        "milliseconds, 99 of 100": round(1000 * quantiles(took, n=100)[98], 1),
        "pictures a second, bare": [round(each, 2) for each in alone],
        "pictures a second, behind the server": [round(each, 2) for each in behind],
        "machine": machine(),
    }
    text = json.dumps(found, indent=2)
    print(text)
    if told.out:
        told.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
