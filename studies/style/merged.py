"""Whether a LoRA written into the weights paints what it does beside them.

python -m studies.style.merged
"""

import argparse
import json
from pathlib import Path

import gesso
from gesso.adapters.lora import open_lora
from gesso.adapters.site import Target
from studies.style.score import attached, painted, scenes, texts

SHOWN = 12


def merged(file: Path, dtype: str) -> gesso.Model:
    """The built-in checkpoint with a LoRA written into its weights."""
    model = gesso.load(dtype=dtype)
    open_lora(file, Target.of(model)).bake(model)
    return model


def main() -> None:
    """Paint with both and compare."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--file", type=Path, default=Path("runs/style/lora-16/lora-16.safetensors"))
    options.add_argument("--out", type=Path, default=Path("studies/style/merged.json"))
    asked = options.parse_args()
    words, found = texts(scenes())[:SHOWN], dict[str, dict[str, float]]()
    for dtype in ("float32", "bfloat16"):
        beside = painted(gesso.load(dtype=dtype), words, attached(asked.file))
        apart = ((beside - painted(merged(asked.file, dtype), words, {})).abs() * 127.5).round()
        found[dtype] = {"largest of 255": float(apart.max()), "mean of 255": float(apart.mean())}
        print(dtype, found[dtype], flush=True)
    asked.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
