"""What this machine is, for whoever reads a number that was measured on it."""

import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["machine", "peak", "product_speed"]

UNITS = ("amx", "avx", "fma")
"""What the names of a processor's units for many numbers at once begin with."""


def machine() -> dict[str, str]:
    """Processor, memory, accelerators and the versions that numbers depend on."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    found = {
        "cpu": f"{os.cpu_count()} cores of {_told('model name') or platform.processor()}, {capability}",
        "units": ", ".join(sorted(each for each in _told("flags").split() if each.startswith(UNITS))),
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def peak() -> int | None:
    """The most bytes of main memory that this process ever held; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    # Linux counts in KiB, macOS in bytes
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def product_speed(device: "torch.device", dtype: "torch.dtype", side: int = 1024) -> float:
    """Operations a second of a plain matrix product on a device, the best of a few tries: its ceiling.

    Args:
        side: of the square matrices.
    """
    import torch

    a = torch.ones((side, side), device=device, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


def _told(what: str) -> str:
    """What Linux says of the first core; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith(what)), "")


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
