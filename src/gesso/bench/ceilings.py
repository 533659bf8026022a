"""What this machine reaches at most, in plain calls of torch: what every step is held against.

python -m gesso.bench.ceilings DTYPE DEVICE
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["ceilings", "main"]

Call = Callable[[], object]


SIDES = {"cpu": 2048, "cuda": 8192}
"""Rows and columns of the matrices, by device."""


def ceilings(
    dtype: str, device: str = "cpu", side: int | None = None, seconds: float = 1.0
) -> dict[str, float]:
    """The fastest of as many calls as fit into the time.

    Args:
        dtype: what is computed in.
        device: "cpu" or "cuda".
        side: rows and columns of the matrices, at least 64; unless given, enough to keep the device busy.
        seconds: for each.

    Returns:
        "matmul", "linear" and "conv" (3x3, channels last), 10^12 operations a second; "copy", 10^9 bytes a
        second, read and written.
    """
    import torch
    from torch.nn.functional import conv2d, linear

    side = side or SIDES[device]
    here: dict[str, Any] = {"device": device, "dtype": getattr(torch, dtype)}
    a, b = torch.randn(side, side, **here), torch.randn(side, side, **here)
    last = torch.channels_last
    maps = torch.randn(2, side // 4, 32, 32, **here).contiguous(memory_format=last)
    kernel = torch.randn(side // 4, side // 4, 3, 3, **here).contiguous(memory_format=last)
    source, target = torch.zeros(side, side, 8, device=device), torch.empty(side, side, 8, device=device)
    product, bytes_moved = 2 * side**3 / 1e12, 2 * source.nbytes / 1e9
    done = torch.cuda.synchronize if device == "cuda" else _nothing
    with torch.inference_mode():
        return {
            "matmul": product / _fastest(lambda: (a @ b, done()), seconds),
            "linear": product / _fastest(lambda: (linear(a, b), done()), seconds),
            "conv": 2
            * maps.numel()
            * kernel[0].numel()
            / 1e12
            / _fastest(lambda: (conv2d(maps, kernel, padding=1), done()), seconds),
            "copy": bytes_moved / _fastest(lambda: (target.copy_(source), done()), seconds),
        }


def _nothing() -> None:
    """A processor's call ends when it is done."""


def _fastest(call: Call, seconds: float) -> float:
    call()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best


def main(arguments: Sequence[str]) -> None:
    """Print the ceilings of a number type as JSON."""
    dtype, device = arguments
    sys.stdout.write(json.dumps(ceilings(dtype, device)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
