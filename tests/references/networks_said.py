"""What the oracle said of the small networks, and how near to it ours must come."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.parity_cases import weight

HERE = Path(__file__).parent


def recorded(case: str) -> dict[str, Tensor]:
    """The oracle's outputs for a case of networks_cases.py."""
    return load_file(HERE / f"networks_{case}.safetensors")


def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The random weights the oracle had."""
    return {name: weight(name, shape) for name, shape in shapes.items()}


def lora(modules: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A random LoRA of rank 2 in peft's naming."""
    found: dict[str, Tensor] = {}
    for name, (out, *inp) in modules.items():
        found[f"{name}.lora_A.weight"] = weight(f"{name}.lora_A.weight", (2, *inp))
        found[f"{name}.lora_B.weight"] = weight(f"{name}.lora_B.weight", (out, 2, *[1] * (len(inp) - 1)))
    return found


def assert_agree(ours: dict[str, Tensor], oracle: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    """Every output of ours equals the oracle's, to a fraction of the output's maximum."""
    assert ours
    for name, output in ours.items():
        limit = tolerance * float(oracle[name].abs().max())
        torch.testing.assert_close(output, oracle[name], rtol=0, atol=limit)


def recorded_in(name: str) -> dict[str, Tensor]:
    """What a record of this name holds."""
    return load_file(HERE / f"{name}.safetensors")
