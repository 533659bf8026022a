"""What it costs to put a LoRA of every linear layer on a full-size model, to turn it and to take it off.

    python -m benchmarks.random_checkpoint sdxl-base sdxl.safetensors
    python -m benchmarks.attach sdxl.safetensors --out benchmarks/attach.json

Exits with 1 when there are fewer than 800 patches, when attaching takes a second beyond reading the file, or
when anything of the model is not what it was before.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import gesso
from gesso.adapters.attach import Prepared
from gesso.adapters.lora import Lora, open_lora
from gesso.adapters.site import Target

RANK = 16
WANTED = 800
ALLOWED = 1.0
LAYERS = ("transformer_blocks", "layers", "resblocks")
Answer = TypeVar("Answer")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    model = gesso.load(asked.file, device="cpu", dtype="bfloat16")
    with tempfile.TemporaryDirectory() as folder:
        path = written(model, Path(folder) / "every-layer.safetensors")
        found = measured(model, path)
    print(json.dumps(found, indent=2))
    if asked.out:
        asked.out.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(0 if found["patches"] >= WANTED and found["attach_s"] < ALLOWED and found["as_before"] else 1)


def written(model: gesso.Model, path: Path) -> Path:
    """A LoRA of every linear layer of the UNet and the text encoders, as kohya's trainer stores it."""
    tensors: dict[str, Tensor] = {}
    prefixes = {"unet": "lora_unet_", "text": "lora_te1_", "text_2": "lora_te2_"}
    for part, prefix in prefixes.items():
        for name, layer in model.networks[part].named_modules() if part in model.networks else ():
            if isinstance(layer, nn.Linear) and any(each in name for each in LAYERS):
                module = prefix + name.replace(".", "_")
                tensors[f"{module}.lora_down.weight"] = torch.randn(RANK, layer.in_features).half()
                tensors[f"{module}.lora_up.weight"] = torch.randn(layer.out_features, RANK).half() * 0.01
                tensors[f"{module}.alpha"] = torch.tensor(float(RANK))
    save_file(tensors, path)
    return path


def measured(model: gesso.Model, path: Path) -> dict[str, float]:
    """Seconds of every stage, and whether the model is what it was."""
    before = state(model)
    opened, lora = timed(lambda: open_lora(path, Target.of(model)))
    read, _ = timed(lambda: read_all(lora))
    prepare, ready = timed(lambda: lora.prepared(model))
    began = time.perf_counter()
    with ready.on():
        attached = time.perf_counter() - began
        began = time.perf_counter()
    detached = time.perf_counter() - began
    turn, _ = timed(lambda: turned(ready))
    return {
        "patches": len(lora.patches),
        "file_bytes": path.stat().st_size,
        "open_s": opened,
        "read_s": read,
        "attach_s": prepare + attached,
        "detach_s": detached,
        "turn_s": turn,
        "as_before": state(model) == before,
    }


def turned(ready: Prepared) -> None:
    """On at another strength and off again, as at every step of a course."""
    with ready.on(0.5):
        pass


def read_all(lora: Lora) -> float:
    """Every byte of the file, once."""
    return sum(float(tensor.sum()) for each in lora.loaded() for tensor in each.tensors.values())


def state(model: gesso.Model) -> dict[str, tuple[int, int, int]]:
    """Where every weight lies, how often it was written to, and how many hooks its network has."""
    return {
        f"{part}.{name}": (weight.data_ptr(), weight._version, count)
        for part, network in model.networks.items()
        for count in [hooks(network)]
        for name, weight in network.named_parameters()
    }


def hooks(network: nn.Module) -> int:
    """Hooks on a network's layers."""
    return sum(len(each._forward_hooks) for each in network.modules())  # pyright: ignore[reportPrivateUsage] - torch has no other count


def timed(run: Callable[[], Answer]) -> tuple[float, Answer]:
    """Seconds, and what came out."""
    began = time.perf_counter()
    answer = run()
    return time.perf_counter() - began, answer


if __name__ == "__main__":
    main()
