"""What this machine reaches at most, in plain calls of torch: what every step is held against.

python -m gesso.bench.ceilings DTYPE
"""

import json
import sys
import time
from collections.abc import Callable, Sequence

__all__ = ["ceilings", "main"]

Call = Callable[[], object]


def ceilings(dtype: str, side: int = 2048, seconds: float = 1.0) -> dict[str, float]:
    """The fastest of as many calls as fit into the time.

    Args:
        dtype: what is computed in.
        side: rows and columns of the matrices, at least 64.
        seconds: for each.

    Returns:
        "matmul", "linear" and "conv" (3x3, channels last), 10^12 operations a second; "copy", 10^9 bytes a
        second, read and written.
    """
    import torch
    from torch.nn.functional import conv2d, linear

    kind = getattr(torch, dtype)
    a, b = torch.randn(side, side).to(kind), torch.randn(side, side).to(kind)
    maps = torch.randn(2, side // 4, 32, 32).to(kind).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(side // 4, side // 4, 3, 3).to(kind).contiguous(memory_format=torch.channels_last)
    source, target = torch.zeros(side, side, 8), torch.empty(side, side, 8)
    product, bytes_moved = 2 * side**3 / 1e12, 2 * source.nbytes / 1e9
    with torch.inference_mode():
        return {
            "matmul": product / _fastest(lambda: a @ b, seconds),
            "linear": product / _fastest(lambda: linear(a, b), seconds),
            "conv": 2
            * maps.numel()
            * kernel[0].numel()
            / 1e12
            / _fastest(lambda: conv2d(maps, kernel, padding=1), seconds),
            "copy": bytes_moved / _fastest(lambda: target.copy_(source), seconds),
        }


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
    sys.stdout.write(json.dumps(ceilings(arguments[0])) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
