"""Many clients poll and stream while jobs run: how long answers take, and what it costs the painting.

python -m benchmarks.load --clients 200 --out benchmarks/load.json

Bare painting and painting behind the server take turns, so that what else the machine does counts for both.
Every picture is flushed: where others use the disk, `--folder /dev/shm` keeps their halts out of it.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit

import httpx
import torch

import gesso
from benchmarks.serving import House, keep

REQUEST = {"prompt": "three strawberries", "steps": 16, "count": 20}
PATHS = ("/api/jobs?limit=5", "/api/models", "/api/health", "/v1/models", "/sdapi/v1/progress")


def bare(threads: int) -> float:
    """Pictures a second of the engine alone, which saves none of them."""
    torch.set_num_threads(threads)
    model = gesso.load(device="cpu")
    request = gesso.Request.model_validate({**REQUEST, "seed": 1})
    gesso.paint(model, request.model_copy(update={"count": 1}))
    began = time.perf_counter()
    gesso.paint(model, request)
    return request.count / (time.perf_counter() - began)


@dataclass
class Crowd:
    """What came of many clients.

    Args:
        took: seconds that every answer took.
        told: events in every piece of a stream.
    """

    took: list[float] = field(default_factory=list[float])
    told: list[int] = field(default_factory=list[int])


async def busy(url: str, clients: int, found: Crowd) -> float:
    """Pictures a second of a job behind the server, while many clients poll and stream."""
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:
        await _over(client, await _asked(client, {**REQUEST, "count": 1}))
        job = await _asked(client, REQUEST)
        half = clients // 2
        crowd = [asyncio.create_task(_polling(url, number, found.took)) for number in range(half)]
        crowd += [
            asyncio.create_task(_streaming(url, number, job, found.told)) for number in range(clients - half)
        ]
        over = await _over(client, job)
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
    return over["request"]["count"] / (over["ended"] - over["started"])


async def _asked(client: httpx.AsyncClient, request: dict[str, Any]) -> str:
    answer = await client.post("/api/jobs", json={"request": request})
    return str(answer.raise_for_status().json()["id"])


async def _over(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    while True:
        found: dict[str, Any] = (await client.get(f"/api/jobs/{job}")).json()
        if found["state"] not in {"queued", "running"}:
            return found
        await asyncio.sleep(0.1)


async def _polling(url: str, number: int, took: list[float]) -> None:
    await asyncio.sleep(number / 100)
    async with _line(url) as (reader, writer):
        while True:
            began = time.perf_counter()
            writer.write(_get(url, PATHS[number % len(PATHS)]))
            head = (await reader.readuntil(b"\r\n\r\n")).decode().casefold()
            assert head.startswith("http/1.1 200"), head
            await reader.readexactly(int(head.partition("content-length:")[2].partition("\r")[0]))
            took.append(time.perf_counter() - began)
            await asyncio.sleep(1.0)


async def _streaming(url: str, number: int, job: str, told: list[int]) -> None:
    await asyncio.sleep(number / 100)
    async with _line(url) as (reader, writer):
        writer.write(_get(url, f"/api/jobs/{job}/events"))
        while text := await reader.read(2**16):
            told.append(text.count(b"event: job"))


@asynccontextmanager
async def _line(url: str) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection: those who ask share the cores with those who answer, so they ask as cheaply as can be."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def _get(url: str, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode()


def main() -> None:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the server's data go for the while")
    parser.add_argument("--out", type=Path)
    told = parser.parse_args()
    alone: list[float] = []
    behind: list[float] = []
    crowd = Crowd()
    with tempfile.TemporaryDirectory(dir=told.folder) as folder:
        house = House(Path(folder), threads=told.threads)
        house.start()
        for _ in range(told.rounds):
            alone.append(bare(told.threads))
            behind.append(asyncio.run(busy(house.url, told.clients, crowd)))
        house.stop()
    found = {
        "clients": told.clients,
        "threads of the engine": told.threads,
        "data in": str(told.folder or tempfile.gettempdir()),
        "answers": len(crowd.took),
        "events": sum(crowd.told),
        "milliseconds, median": round(1000 * quantiles(crowd.took, n=100)[49], 1),
        "milliseconds, 99 of 100": round(1000 * quantiles(crowd.took, n=100)[98], 1),
        "pictures a second, bare": [round(each, 2) for each in alone],
        "pictures a second, behind the server": [round(each, 2) for each in behind],
        "share of the bare speed": round(median(behind) / median(alone), 3),
    }
    keep(found, told.out)


if __name__ == "__main__":
    main()
