"""The fingerprints by which people name checkpoint files.

Source: A1111's webui and its additional-networks extension, whose names for them CivitAI took over.
"""

import hashlib
import os
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from gesso.errors import BrokenFile, CheckpointError
from gesso.folders import user_cache

__all__ = ["auto_v1", "auto_v3", "by_name", "sha256", "short_hash"]


def sha256(path: Path, cache: Path | None = None) -> str:
    """The whole file's SHA-256 in hexadecimal.

    Args:
        path: the file.
        cache: where to look it up and keep it, by path, size and time of change; None for the user's cache.
    """
    kept = (cache or user_cache() / "hashes") / _key(path)
    with suppress(OSError):
        found = kept.read_text("ascii")
        if len(found) == 64:
            return found
    digest = _digest(path, 0)
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_name(f"{kept.name}.{os.getpid()}")
        part.write_text(digest, "ascii")
        part.replace(kept)
    return digest


def short_hash(path: Path, cache: Path | None = None) -> str:
    """The 10 digits that A1111 writes into pictures; CivitAI calls them AutoV2."""
    return sha256(path, cache)[:10]


def auto_v1(path: Path) -> str:
    """The 8 digits of the earliest tools, of 64 KiB one MiB into the file: different files may share them."""
    with _opened(path) as file:
        file.seek(0x100000)
        return hashlib.sha256(file.read(0x10000)).hexdigest()[:8]


def auto_v3(path: Path) -> str:
    """The 12 digits of what follows a .safetensors header, which editing the metadata does not change."""
    with _opened(path) as file:
        start = 8 + int.from_bytes(file.read(8), "little")
        size = file.seek(0, 2)
    if not 8 < start <= size:
        raise BrokenFile(
            f"{path} must be .safetensors to have an AutoV3 hash, however: its header does not fit"
        )
    return _digest(path, start)[:12]


def by_name(path: Path) -> dict[str, str]:
    """Every hash that programs of the field write, by what they call it."""
    hashes = {"SHA256": sha256(path), "AutoV1": auto_v1(path), "AutoV2": short_hash(path)}
    with suppress(BrokenFile):
        hashes["AutoV3"] = auto_v3(path)
    return hashes


def _digest(path: Path, start: int) -> str:
    with _opened(path) as file:
        file.seek(start)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise CheckpointError(f"{path} must be readable, however: {error.strerror}") from None


def _key(path: Path) -> str:
    with _opened(path) as file:
        found = os.fstat(file.fileno())
    identity = f"{path.resolve()}\n{found.st_size}\n{found.st_mtime_ns}"
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
