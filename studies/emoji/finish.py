"""The trained file as the one that comes with gesso: what it says of itself, and how it likes to be asked.

python -m studies.emoji.finish --model runs/emoji/richer/richer.safetensors
"""

import argparse
import json
from pathlib import Path

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.write import save
from gesso.model import builtin
from studies.emoji.plan import SIDE

SAID = {
    "modelspec.title": "gesso emoji",
    "modelspec.description": (
        "Paints one to three of 72 everyday things, or two different ones beside or above one another, "
        "on colours and simple scenes, as 3D artwork, in ink or as a comic."
    ),
}
ASKED = {"size": [SIDE, SIDE], "steps": 16, "sampler": "dpmpp_2m", "schedule": "sgm_uniform", "cfg": 2.0}


def main() -> None:
    """Write it."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--model", type=Path, default=Path("runs/emoji/richer/richer.safetensors"))
    options.add_argument("--out", type=Path, default=builtin())
    asked = options.parse_args()
    trained = Checkpoint.open(asked.model)
    told = {**trained.metadata, **SAID, "gesso.defaults": json.dumps(ASKED)}
    save(asked.out, dict(trained.tensors(trained.shapes)), metadata=told)
    print(asked.out)


if __name__ == "__main__":
    main()
