"""Where a step's time goes: by kinds of work, under torch's profiler, by gesso's kernels and by torch's own.

    python -m benchmarks.where --folder /var/tmp/bench --families sd-v1 sdxl-base

Random weights, bfloat16, both rows of guidance; seconds of the thread that calls, the mean of some steps
after one that is not counted.
"""

import argparse
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.calls import SIZES, inputs
from benchmarks.peers import prepared
from benchmarks.told import put
from gesso.model import load
from gesso.runtime.machine import machine
from gesso.runtime.native.kernels import Kernels, kernels
from gesso.runtime.native.product import Multiplier
from gesso.tuned import tuned

NAMED = ("attend", "group_norm", "layer_norm", "gate", "convolution", "rows")
"""Kernels in C, which the profiler does not see by itself."""
KINDS = {
    "convolutions": ("conv",),
    "linear layers": ("linear", "addmm", "aten::mm", "rows"),
    "attention": ("attend", "scaled_dot", "bmm"),
    "norms": ("norm", "silu"),
    "gates": ("gate", "gelu", "aten::mul"),
    "sums and copies": ("aten::add", "copy", "aten::cat", "upsample"),
}
"""Kinds of work, and what names of its operations contain; what is left is "other"."""

Split = dict[str, float]


class Told:
    """Each call of some methods the profiler is told of."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return _named(name, found) if name in NAMED else found


class WatchedMultiplier(Told, Multiplier):
    """Products, watched."""


class Watched(Told, Kernels):
    """The kernels, watched."""

    def multiplier(self) -> Multiplier:
        """Watched too."""
        return WatchedMultiplier(self.library)


def _named(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def told(*given: Any, **more: Any) -> Any:
        with record_function(name):
            return call(*given, **more)

    return told


def split(work: Callable[[], object], times: int) -> Split:
    """Seconds of one call by kinds of work."""
    work()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(times):
            work()
    found: Split = dict.fromkeys((*KINDS, "other"), 0.0)
    for each in seen.key_averages():
        kind = next(
            (kind for kind, names in KINDS.items() if any(name in each.key for name in names)), "other"
        )
        found[kind] += each.self_cpu_time_total / 1e6 / times
    return found


def measured(family: str, folder: Path, times: int) -> dict[str, Split]:
    """A step of a family by both kinds of kernels."""
    file, _ = prepared(family, folder)
    model = load(file, device="cpu", dtype="bfloat16")
    told, network = inputs(model, SIZES[family]), model.networks["unet"]
    found = {"torch's kernels": split(lambda: network(*told), times)}
    known = kernels()
    with tuned([network], known and Watched(known.library)):
        found["gesso's kernels"] = split(lambda: network(*told), times)
    return found


def table(pages: dict[str, dict[str, Split]]) -> str:
    """Seconds and shares as Markdown."""
    kinds = [*KINDS, "other"]
    lines = [f"| | | {' | '.join(kinds)} | together |", "|---" * (len(kinds) + 3) + "|"]
    for family, splits in pages.items():
        for name, found in splits.items():
            whole = sum(found.values())
            cells = [f"{found[kind]:.2f} s ({found[kind] / whole:.0%})" for kind in kinds]
            lines.append(f"| {family} | {name} | {' | '.join(cells)} | {whole:.2f} s |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--folder", type=Path, default=Path("runs/bench"))
    options.add_argument("--families", nargs="+", choices=SIZES, default=["sd-v1"])
    options.add_argument("--times", type=int, default=3)
    options.add_argument("--out", type=Path, default=Path("benchmarks/where.json"))
    options.add_argument("--into", nargs="*", type=Path, default=[], help="files with room for the table")
    given = options.parse_args()
    pages: dict[str, dict[str, Split]] = {}
    with torch.inference_mode():
        for family in given.families:
            pages[family] = measured(family, given.folder, given.times)
    given.out.write_text(json.dumps({"machine": machine(), "pages": pages}, indent=1) + "\n")
    print(table(pages))
    for path in given.into:
        put({"where": table(pages)}, path)


if __name__ == "__main__":
    main()
