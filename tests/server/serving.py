"""A server for tests: the real doors, and one worker in a thread."""

import io
import struct
import threading
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi.testclient import TestClient
from PIL import Image

from gesso.server.app import application
from gesso.server.settings import Settings, folders
from gesso.workers.model_painter import ModelPainter
from gesso.workers.painter import Machine, Painter
from gesso.workers.table import JobTable
from gesso.workers.worker import Rhythm, Worker

QUICK = Rhythm(idle=0.01, heed=0.0, progress=0.0, preview=0.0, reserve=0)


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    settings: Settings

    @property
    def table(self) -> JobTable:
        return JobTable.at(self.settings.address)


def settings_in(folder: Path, **others: Any) -> Settings:
    return Settings(folders(folder / "library", folder / "data"), **others)


def client_of(settings: Settings) -> TestClient:
    """Speaks to the doors alone: nobody works."""
    return TestClient(application(settings, crew=False), base_url=f"http://127.0.0.1:{settings.port}")


@contextmanager
def serving(settings: Settings, painter: Painter | None = None) -> Generator[Server]:
    """A server with a worker, at a free port."""
    found = painter or ModelPainter(settings.places, Machine("cpu", "float32"))
    worker = Worker("thread", JobTable.at(settings.address), found, settings.places, QUICK)
    app = application(settings, crew=False)
    config = uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    threads = [threading.Thread(target=each) for each in (worker.run, server.run)]
    for each in threads:
        each.start()
    try:
        while not server.started:
            threads[1].join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Server(f"http://127.0.0.1:{port}", settings)
    finally:
        worker.leaving.set()
        server.should_exit = True
        for each in threads:
            each.join()


def png(colour: str = "red", size: tuple[int, int] = (64, 64), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, "PNG")
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is large, with hardly any bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def picture(packed: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(packed))
    image.load()
    return image
