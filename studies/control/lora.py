"""LoRA while it is learnt: low-rank paths beside a frozen network's layers, saved in kohya's naming.

Source: Hu et al. 2021, arXiv:2106.09685, eq. 3; names as in files by kohya-ss/sd-scripts.
"""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.checkpoint.write import save


class Beside(nn.Module):
    """What is added to one layer's output."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        outputs, *inputs = layer.weight.shape
        fan_in = layer.weight[0].numel()
        self.down = nn.Parameter(torch.randn((rank, *inputs), generator=generator) * fan_in**-0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """The layer's output with the path's added: a forward hook."""
        x = given[0]
        if isinstance(layer, nn.Conv2d):
            inner = functional.conv2d(x, self.down, None, layer.stride, layer.padding)
            return output + functional.conv2d(inner, self.up[:, :, None, None])
        return output + functional.linear(functional.linear(x, self.down), self.up)


class Lora(nn.ModuleDict):
    """Paths beside every linear layer and convolution of a network; alpha is the rank.

    Args:
        rank: of every path.
    """

    def __init__(self, network: nn.Module, rank: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        layers = {
            f"lora_unet_{name.replace('.', '_')}": layer
            for name, layer in network.named_modules()
            if isinstance(layer, nn.Linear | nn.Conv2d)
        }
        super().__init__({name: Beside(layer, rank, generator) for name, layer in layers.items()})
        for name, layer in layers.items():
            layer.register_forward_hook(partial(self._beside, name))

    def _beside(self, name: str, layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return self[name](layer, given, output)


def write(path: Path, weights: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """A trained Lora's weights as a file that any program reads."""
    tensors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        module, _, side = name.rpartition(".")
        kernel = weight[:, :, None, None] if side == "up" and weights[f"{module}.down"].ndim == 4 else weight
        tensors[f"{module}.lora_{side}.weight"] = kernel.half().contiguous()
        tensors[f"{module}.alpha"] = torch.tensor(float(weights[f"{module}.down"].shape[0]))
    save(path, tensors, metadata=metadata)
