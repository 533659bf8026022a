"""How much memory there is, and an error of our own when it was not enough."""

import gc
import re
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import torch

from gesso.errors import OutOfMemory

__all__ = ["available", "held", "limit", "memory_errors", "readable", "resident"]

_SIGNS = re.compile(
    r"out of memory|(can't|cannot) allocate memory|not enough memory|ALLOC_FAILED", re.IGNORECASE
)
_ASKED = re.compile(r"tried to allocate ([\d.]+) ?([KMGT]iB|[KMG]B|bytes)", re.IGNORECASE)
_UNITS = {"bytes": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@contextmanager
def memory_errors(doing: str, device: torch.device | None = None) -> Generator[None]:
    """Turn every kind of memory exhaustion inside into OutOfMemory, and give back what was taken.

    Args:
        doing: what is being done, as in "painting"; begins the message.
        device: whose free memory the message tells; unless given, that of the device that ran out.

    Raises:
        OutOfMemory: says how much was asked for, how much there was, and what to try.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_exhaustion(error):
            raise
        asked = _asked(str(error))
        # The frames of the failed call keep its tensors alive for as long as anybody holds the error.
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        _give_back()
        free = available(device or _exhausted(error))
        raise OutOfMemory(_message(doing, asked, free), hint=_HINT) from None


_HINT = "try a smaller --size, a narrower --dtype (bfloat16, float16), or close other programs"


def available(device: torch.device) -> int | None:
    """Bytes that could still be taken on this device; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    rooms = (_system_room(Path("/proc")), _group_room(Path("/sys/fs/cgroup")))
    return min((room for room in rooms if room is not None), default=None)


def held(device: torch.device) -> int:
    """Bytes of this device's memory that the process holds; 0 where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return (resident() or 0) if device.type == "cpu" else 0


def limit(device: torch.device, size: int | None) -> None:
    """Have a card refuse this process more than so many bytes; None refuses nothing.

    So what is kept for later tensors is given back before that. Other devices have no such limit.
    """
    if device.type == "cuda":
        most = torch.cuda.get_device_properties(device).total_memory
        share = 1.0 if size is None else min(1.0, size / most)
        # it wants a number, which "cuda" alone does not have
        torch.cuda.set_per_process_memory_fraction(share, torch.empty(0, device=device).device)


def resident() -> int | None:
    """Bytes of main memory this process holds; None where the system does not say."""
    status = _text(Path("/proc/self/status"))
    found = re.search(r"^VmRSS:\s*(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def readable(size: float) -> str:
    """A number of bytes as people say it."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _is_exhaustion(error: BaseException) -> bool:
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or bool(_SIGNS.search(str(error)))


def _exhausted(error: BaseException) -> torch.device:
    """Which kind of device ran out: accelerators have errors of their own."""
    if isinstance(error, torch.OutOfMemoryError) and torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device(
        "mps" if str(error).startswith("MPS") and torch.backends.mps.is_available() else "cpu"
    )


def _asked(message: str) -> int | None:
    found = _ASKED.search(message)
    if not found:
        return None
    unit = found[2].lower()
    return int(float(found[1]) * (_UNITS.get(unit) or _UNITS[unit[0]]))


def _message(doing: str, asked: int | None, free: int | None) -> str:
    needed = f"{readable(asked)} more were needed" if asked else "more was needed than there is"
    left = f", with {readable(free)} free" if free is not None else ""
    return f"{doing} must fit into memory, however: {needed}{left}"


def _give_back() -> None:
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _system_room(proc: Path) -> int | None:
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _text(proc / "meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _group_room(root: Path) -> int | None:
    """What a container may still take: its limit, less what it uses and could not drop.

    Source: kernel.org, "Control Group v2", memory.max, memory.current, memory.stat; and "Memory Resource
    Controller" for version 1.
    """
    for limit, usage, stat in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        most, used = _text(root / limit).strip(), _text(root / usage).strip()
        if most.isdecimal() and used.isdecimal():
            droppable = re.search(r"^(?:total_)?inactive_file (\d+)", _text(root / stat), re.MULTILINE)
            return max(0, int(most) - int(used) + int(droppable[1] if droppable else 0))
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
