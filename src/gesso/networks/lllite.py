"""ControlNet-LLLite: small branches that change what single layers of a UNet are given.

Source: kohya-ss/sd-scripts, docs/train_lllite_README.md and its `networks/control_net_lllite.py`, whose files
have a module for each layer, named `lllite_unet_` and the layer's name with underscores.

Words of the file: `conditioning1` reads the picture, `down`, `mid` and `up` lead through a narrow layer.
"""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from gesso.networks.structure import Shapes, conv, count, linear, under

__all__ = ["Branch", "LLLite"]

PREFIX = "lllite_unet_"


class Branch(nn.Module):
    """What is added to one layer's input."""

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        places = range(0, count(shapes, "conditioning1"), 2)
        parts: list[nn.Module] = []
        for i in places:
            name = f"conditioning1.{i}"
            side = shapes[f"{name}.weight"][-1]
            parts += [conv(shapes, name, stride=side, padding=0), nn.ReLU()]
        self.conditioning1 = nn.Sequential(*parts[:-1])
        self.stride = 1
        for layer in parts[::2]:
            self.stride *= cast(nn.Conv2d, layer).stride[0]
        self.tokens = len(shapes["down.0.weight"]) == 2
        make = linear if self.tokens else conv
        self.down = nn.Sequential(make(shapes, "down.0"), nn.ReLU())
        self.mid = nn.Sequential(make(shapes, "mid.0"), nn.ReLU())
        self.up = nn.Sequential(make(shapes, "up.0"))

    def seen(self, pixels: Float[Tensor, "b 3 H W"]) -> Tensor:
        """The picture, -1…1, as this layer's positions see it."""
        height, width = (-side % self.stride for side in pixels.shape[-2:])
        found = self.conditioning1(functional.pad(pixels, (0, width, 0, height)))
        return found.flatten(2).transpose(1, 2) if self.tokens else found

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """What is added to a layer's input."""
        axis = -1 if self.tokens else 1
        together = torch.cat((seen.expand(x.shape[0], *seen.shape[1:]), self.down(x)), dim=axis)
        return self.up(self.mid(together))


class LLLite(nn.Module):
    """All branches of a file, under its names.

    Args:
        shapes: names and sizes as in the file.
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__()
        for name in dict.fromkeys(each.partition(".")[0] for each in shapes):
            self.add_module(name, Branch(under(shapes, f"{name}.")))

    def branches(self) -> dict[str, Branch]:
        """The branches by their layer's name with underscores."""
        return {name.removeprefix(PREFIX): cast(Branch, each) for name, each in self.named_children()}

    @contextmanager
    def changing(self, unet: nn.Module, changes: "dict[str, Changing]") -> Generator[None]:
        """Change what layers of a UNet are given, while the block runs.

        Args:
            unet: whose layers.
            changes: by the layer's name with underscores.
        """
        layers = {name.replace(".", "_"): layer for name, layer in unet.named_modules()}
        with ExitStack() as undo:
            for name, change in changes.items():
                undo.callback(layers[name].register_forward_pre_hook(change).remove)
            yield


class Changing:
    """A layer's input, changed: what a forward hook calls.

    Args:
        branch: what adds.
        seen: the picture as the branch sees it.
        weights: of each row and position, [b n 1] for tokens, [b 1 h w] otherwise.
    """

    def __init__(self, branch: Branch, seen: Tensor, weights: Tensor) -> None:
        self.branch = branch
        self.seen = seen
        self.weights = weights

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The inputs with what the branch adds."""
        del layer
        x, *others = inputs
        return (x + self.branch(x, self.seen) * self.weights, *others)
