"""Twenty switches between two checkpoints, and what each leaves in memory.

    python -m benchmarks.switches a.safetensors b.safetensors --out benchmarks/switches.json

Exits with 1 when the memory after the last switch is more than 2 % above that after the first time the same
file was loaded again.
"""

import argparse
import json
import sys
from itertools import cycle, islice
from pathlib import Path

import gesso
from gesso.runtime.memory import resident

SWITCHES = 20
ALLOWED = 1.02


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    held = [painted(path) for path in islice(cycle(asked.files), SWITCHES + 1)]
    growth = max(held[-1] / held[2], held[-2] / held[3])
    print(f"grew by {100 * (growth - 1):.2f} % over {SWITCHES} switches")
    if asked.out:
        record = {"files": [path.name for path in asked.files], "resident_bytes": held, "growth": growth}
        asked.out.write_text(json.dumps(record, indent=2) + "\n")
    sys.exit(0 if growth <= ALLOWED else 1)


def painted(path: Path) -> int:
    """Bytes resident after loading a file and painting one small step with it."""
    model = gesso.load(path)
    gesso.paint(model, gesso.Request(prompt="a cat", size=(64, 64), steps=1, seed=0, sampler="euler"))
    held = resident() or 0
    print(f"{path.name}: {held / 1e9:.3f} GB", flush=True)
    return held


if __name__ == "__main__":
    main()
