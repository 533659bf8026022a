"""Builds checkpoint files byte by byte, sound and broken ones, and counts what is read of them."""

import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

from gesso.checkpoint.entry import Entry, Header
from gesso.checkpoint.file import Checkpoint

LEGACY_HEAD = (
    pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    + pickle.dumps(1001, 2)
    + pickle.dumps({"protocol_version": 1001, "little_endian": True}, 2)
)


class Counted(io.BytesIO):
    """A file in memory that knows how many bytes were read of it, and may claim to be longer than it is."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.taken = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.taken += len(found)
        return found

    def readline(self, size: int | None = -1) -> bytes:
        found = super().readline(size)
        self.taken += len(found)
        return found


def safetensors(header: Mapping[str, object] | bytes, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def torch_zip(
    data: bytes,
    storages: Mapping[str, bytes],
    *,
    root: str = "archive",
    extra: Mapping[str, bytes] | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr(f"{root}/data.pkl", data)
        for name, content in (extra or {}).items():
            archive.writestr(f"{root}/{name}", content)
        for key, content in storages.items():
            archive.writestr(f"{root}/data/{key}", content)
    return out.getvalue()


def torch_legacy(data: bytes, storages: Mapping[str, bytes], item: int = 4) -> bytes:
    body = b"".join((len(content) // item).to_bytes(8, "little") + content for content in storages.values())
    return LEGACY_HEAD + data + pickle.dumps(list(storages), 2) + body


def text(value: str) -> bytes:
    """Push a string."""
    found = value.encode()
    return b"X" + len(found).to_bytes(4, "little") + found


def named(module: str, name: str) -> bytes:
    """Push a Python object by its name."""
    return f"c{module}\n{name}\n".encode()


def stored(key: str = "0", count: int = 4, *, legacy: bool = False, kind: str = "FloatStorage") -> bytes:
    """Push a storage by its persistent id."""
    view = b"N" if legacy else b""
    return (
        b"(" + text("storage") + named("torch", kind) + text(key) + text("cpu") + number(count) + view + b"tQ"
    )


def number(value: int) -> bytes:
    return b"J" + value.to_bytes(4, "little", signed=True)


def tensor(storage: bytes, shape: bytes = number(4) + b"\x85", strides: bytes = number(1) + b"\x85") -> bytes:
    """Push a tensor: by default the four numbers of a storage."""
    hooks = named("collections", "OrderedDict") + b")R"
    function = named("torch._utils", "_rebuild_tensor_v2")
    return function + b"(" + storage + number(0) + shape + strides + b"\x89" + hooks + b"tR"


def program(*items: bytes) -> bytes:
    """A pickle of a dictionary, from pushed keys and values in turn."""
    return b"\x80\x02}(" + b"".join(items) + b"u."


def table(shapes: Mapping[str, tuple[int, ...]], dtype: str = "F16") -> Checkpoint:
    """A checkpoint that is only names and shapes."""
    path = Path("table.safetensors")
    entries = {name: Entry(path, dtype, shape, 16 * i) for i, (name, shape) in enumerate(shapes.items())}
    return Checkpoint(path, Header("safetensors", entries), {path: 0})
