"""Building the kernels: compiled once by the machine's own C compiler and kept in the user's cache."""

import ctypes
import hashlib
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from gesso.folders import user_cache

__all__ = ["build", "library"]

SOURCES = Path(__file__).parent
FLAGS = (
    "-O3",
    "-march=sapphirerapids",
    "-fopenmp",
    "-fPIC",
    "-shared",
    "-Wl,-z,now",
    "-nodefaultlibs",
    "-lc",
)
"""Threads are those of torch, whose OpenMP library is loaded already: no other is linked."""
COMPILERS = ("gcc", "cc")


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels; None on a processor they are not for, or where they cannot be built."""
    capable = getattr(torch.cpu, "get_capabilities", dict[str, object])()
    if not (capable.get("amx_bf16") and capable.get("avx512_bf16")):
        return None
    path = build(user_cache() / "kernels")
    with suppress(OSError):
        return None if path is None else ctypes.CDLL(str(path))
    return None


def build(folder: Path) -> Path | None:
    """Compile the kernels into a folder, unless they are there already.

    Returns:
        The library; None without a compiler that can.
    """
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        return None
    sources = sorted(SOURCES.glob("*.[ch]"))
    told = hashlib.sha256("\n".join((compiler, *FLAGS)).encode())
    for source in sources:
        told.update(source.read_bytes())
    path = folder / f"{told.hexdigest()[:20]}.so"
    if path.exists():
        return path
    files = [str(each) for each in sources if each.suffix == ".c"]
    with suppress(OSError, subprocess.CalledProcessError):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder) as work:
            made = Path(work) / path.name
            subprocess.run([compiler, *files, "-o", str(made), *FLAGS], check=True, capture_output=True)
            made.replace(path)
        return path
    return None
