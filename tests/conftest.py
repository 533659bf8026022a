"""What holds for every test: shapes are checked against annotations, and nobody speaks to the network."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

from tests.shapes import checked

TENSORS = ("networks", "sampling", "conditioning", "guidance", "denoiser", "model", "generation")
install_import_hook([f"gesso.{each}" for each in TENSORS], f"{checked.__module__}.{checked.__name__}")
torch.set_num_threads(1)
# kernels of cards run on the CPU; Triton reads this when it is imported
os.environ.setdefault("TRITON_INTERPRET", "1")
# laws are about results; how long an example takes depends on what else the machine does
settings.register_profile("gesso", parent=settings.get_profile("default"), deadline=None, derandomize=False)
settings.load_profile("gesso")

LOCAL = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(autouse=True, scope="session")
def offline() -> Iterator[None]:
    """Connections that would leave this machine fail."""
    connect = socket.socket.connect

    def only_local(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in LOCAL:
            raise OSError(f"tests must stay on this machine, however: {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", only_local)
        yield


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes are remembered in a folder of the test's own."""
    folder: Path = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
