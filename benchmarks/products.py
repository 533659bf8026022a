"""Convolutions and gated layers, each by itself: by oneDNN from packed weights, and by our own kernels.

    python -m benchmarks.products

Random numbers, bfloat16; milliseconds, the median of some calls. Two weights take turns, so that neither
waits in a small cache.
"""

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.runtime.heap import kept
from gesso.runtime.native.kernels import Kernels, kernels
from gesso.runtime.packing import Packer
from gesso.runtime.tiled import Tiled

CONVOLUTIONS = (
    (2, 64, 320, 320),
    (2, 64, 960, 320),
    (2, 32, 1280, 640),
    (2, 16, 1280, 1280),
    (2, 8, 1280, 1280),
    (1, 256, 512, 512),
    (1, 512, 256, 256),
    (1, 512, 256, 128),
)
"""Rows of the batch, side of the map, channels of it and of the result."""
GATED = ((8192, 320, 2560), (2048, 640, 5120), (512, 1280, 10240), (2048, 1280, 10240))
"""Tokens, numbers of a token, and numbers that it is projected to."""
WEIGHTS, CALLS = 2, 7


def median(work: Callable[[], object]) -> float:
    """Seconds of a call."""
    work()
    taken: list[float] = []
    for _ in range(CALLS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def convolved(found: Kernels, rows: int, side: int, deep: int, across: int) -> tuple[float, float]:
    """Seconds of a convolution by both."""
    x = torch.randn(rows, deep, side, side).bfloat16().contiguous(memory_format=torch.channels_last)

    def run(packer: Packer) -> float:
        layers = [nn.Conv2d(deep, across, 3, padding=1).bfloat16() for _ in range(WEIGHTS)]
        for layer in layers:
            packer(layer, (x,))
        return median(lambda: [layer(x) for layer in layers]) / WEIGHTS

    return run(Packer()), run(Packer(multiplier=found.multiplier()))


def gated(found: Kernels, tokens: int, deep: int, across: int) -> tuple[float, float]:
    """Seconds of a projection and its gate by both."""
    x, out = torch.randn(tokens, deep).bfloat16(), torch.empty(tokens, across // 2).bfloat16()

    def run(packer: Packer, call: Callable[[nn.Linear], Tensor]) -> float:
        layers = [nn.Linear(deep, across).bfloat16() for _ in range(WEIGHTS)]
        packer.halved.update(layers)
        for layer in layers:
            packer(layer, (x,))
        return median(lambda: [call(layer) for layer in layers]) / WEIGHTS

    def ours(layer: nn.Linear) -> Tensor:
        assert isinstance(layer.weight, Tiled)
        return layer.weight.gated(x, layer.bias)

    theirs = run(Packer(), lambda layer: found.gate(functional.linear(x, layer.weight, layer.bias), out))
    return theirs, run(Packer(multiplier=found.multiplier()), ours)


def lines(found: Kernels) -> Iterator[str]:
    """The table's rows."""
    for rows, side, deep, across in CONVOLUTIONS:
        work = 2 * rows * side**2 * deep * across * 9
        yield told(
            f"{rows} x {side} x {side}, {deep} to {across}", work, convolved(found, rows, side, deep, across)
        )
    for tokens, deep, across in GATED:
        work = 2 * tokens * deep * across
        yield told(f"{tokens} tokens, {deep} to {across}, gated", work, gated(found, tokens, deep, across))


def told(name: str, work: int, seconds: tuple[float, float]) -> str:
    """A row: milliseconds, TFLOP/s, and how many times as long oneDNN takes."""
    cells = [f"{each * 1e3:.2f} ms ({work / each / 1e12:.1f})" for each in seconds]
    return f"| {name} | {' | '.join(cells)} | {seconds[0] / seconds[1]:.2f} |"


def main() -> None:
    """The table."""
    found = kernels()
    if found is None:
        raise SystemExit("this machine has no kernels of its own")
    print("| | oneDNN (TFLOP/s) | ours (TFLOP/s) | ratio |", "|---|---|---|---|", sep="\n")
    with torch.inference_mode(), kept():
        for line in lines(found):
            print(line, flush=True)


if __name__ == "__main__":
    main()
