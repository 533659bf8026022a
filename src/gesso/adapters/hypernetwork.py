"""Hypernetworks: small networks that change what attention reads its keys and values from.

Source: the files of AUTOMATIC1111's web UI, modules/hypernetworks/hypernetwork.py: for every width of what is
read a pair of networks, for keys and for values, each adding its output to its input.
"""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.adapters.site import Target
from gesso.checkpoint.file import Checkpoint
from gesso.errors import AdapterError, DoesNotFit, UnknownName
from gesso.model import Model
from gesso.networks.attention import Attention

__all__ = ["Hypernetwork", "is_hypernetwork", "open_hypernetwork"]

_NAME = re.compile(r"(?P<width>\d+)\.(?P<side>[01])\.linear\.?(?P<index>\d+)\.(?P<what>weight|bias)")
SIDES = ("to_k", "to_v")
FAMILIES: Mapping[int, str] = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
"""What a file was made for, by the widest context it changes."""

Activation = Callable[[Tensor], Tensor]


def _same(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: Mapping[str, Activation] = {
    "linear": _same,
    "relu": functional.relu,
    "leakyrelu": functional.leaky_relu,
    "elu": functional.elu,
    "swish": functional.hardswish,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "celu": functional.celu,
    "gelu": functional.gelu,
    "hardsigmoid": functional.hardsigmoid,
    "hardswish": functional.hardswish,
    "hardtanh": functional.hardtanh,
    "logsigmoid": functional.logsigmoid,
    "mish": functional.mish,
    "relu6": functional.relu6,
    "selu": functional.selu,
    "silu": functional.silu,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "tanhshrink": functional.tanhshrink,
}
"""By the names in the files; what they call swish is the hard one."""


@dataclass(frozen=True)
class Layer:
    """One layer of one of the small networks, its tensors in place.

    Args:
        norm: whether it is a norm over features, not a linear layer.
        active: whether the activation follows.
    """

    weight: Tensor
    bias: Tensor
    norm: bool
    active: bool

    def __call__(self, x: Tensor, activation: Activation) -> Tensor:
        """The layer's output."""
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        if self.norm:
            return functional.layer_norm(x, self.bias.shape, weight, bias)
        x = functional.linear(x, weight, bias)
        return activation(x) if self.active else x


@dataclass(frozen=True)
class Change:
    """A forward pre-hook: what keys or values are made from, changed."""

    layers: tuple[Layer, ...]
    activation: Activation
    weight: float

    def __call__(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What is read instead."""
        (x,) = inputs
        changed = x
        for layer in self.layers:
            changed = layer(changed, self.activation)
        return (x + changed * self.weight,)


@dataclass(frozen=True)
class Ready:
    """A hypernetwork made ready for one model: layers, and what each reads instead."""

    changes: tuple[tuple[nn.Module, Change], ...]

    @contextmanager
    def on(self, factor: float = 1.0) -> Generator[None]:
        """On the model while the block runs.

        Args:
            factor: multiplies its strength; at 0 nothing is done at all.
        """
        with ExitStack() as undo:
            for layer, change in self.changes if factor else ():
                hook = replace(change, weight=change.weight * factor)
                undo.callback(layer.register_forward_pre_hook(hook).remove)
            yield


@dataclass(frozen=True)
class Hypernetwork:
    """A hypernetwork file that fits a model.

    Args:
        widths: of what attention reads, for which it has networks.
        weight: how strongly it acts.
    """

    file: Checkpoint
    widths: tuple[int, ...]
    weight: float = 1.0
    order: Mapping[tuple[int, int], tuple[int, ...]] = field(
        default_factory=dict[tuple[int, int], tuple[int, ...]]
    )

    @property
    def families(self) -> frozenset[str]:
        """Names of the families it was made for."""
        return frozenset({_made_for(self.widths)})

    def at(self, weight: float) -> "Hypernetwork":
        """The same file, acting as strongly as this."""
        return replace(self, weight=weight)

    def attached(self, model: Model) -> AbstractContextManager[None]:
        """On the model while the block runs."""
        return self.prepared(model).on()

    def prepared(self, model: Model) -> "Ready":
        """Ready to be put on a model and taken off again, as often as wanted."""
        changes = self._changes(model) if self.weight else {}
        found = list[tuple[nn.Module, Change]]()
        for layer in model.networks["unet"].modules():
            for side, name in enumerate(SIDES if isinstance(layer, Attention) else ()):
                projection = layer.get_submodule(name)
                assert isinstance(projection, nn.Linear)
                change = changes.get((projection.in_features, side))
                if change is not None:
                    found.append((projection, change))
        return Ready(tuple(found))

    def _changes(self, model: Model) -> dict[tuple[int, int], Change]:
        names = dict(_named(self.file))
        read = dict(self.file.tensors(names.values(), dtype=model.dtype, device=model.device))
        activation = _activation(self.file)
        late = bool(self.file.extras.get("activate_output", True))
        found: dict[tuple[int, int], Change] = {}
        for place, indices in self.order.items():
            pairs = [
                tuple(read[names[(*place, index, what)]] for what in ("weight", "bias")) for index in indices
            ]
            last = max(i for i, (weight, _) in enumerate(pairs) if weight.ndim == 2)
            layers = tuple(
                Layer(weight, bias, weight.ndim == 1, i != last or late)
                for i, (weight, bias) in enumerate(pairs)
            )
            found[place] = Change(layers, activation, self.weight)
        return found


Key = tuple[int, int, int, str]
"""Width, side, index and "weight" or "bias"."""


def _named(file: Checkpoint) -> list[tuple[Key, str]]:
    found: list[tuple[Key, str]] = []
    for name in file.shapes:
        read = _NAME.fullmatch(name)
        if read is None:
            raise AdapterError(
                f"{file.path.name} must be a hypernetwork, however: {name} is no tensor of one"
            )
        found.append(((int(read["width"]), int(read["side"]), int(read["index"]), read["what"]), name))
    return found


def _activation(file: Checkpoint) -> Activation:
    name = str(file.extras.get("activation_func", "linear")).lower()
    if name not in ACTIVATIONS:
        raise UnknownName("activation of a hypernetwork", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def is_hypernetwork(file: Checkpoint) -> bool:
    """Whether any tensor of a file is a hypernetwork's."""
    return any(_NAME.fullmatch(name) for name in file.shapes)


def open_hypernetwork(path: Path, target: Target) -> Hypernetwork:
    """Open a file and check all its networks, from its header alone.

    Raises:
        DoesNotFit: nothing in the model reads as many features.
        AdapterError: it is no hypernetwork, or its layers do not follow from one another.
        UnknownName: its activation is unknown.
        CheckpointError: the file is broken.
    """
    file = Checkpoint.open(path)
    names = dict(_named(file))
    _activation(file)
    widths = tuple(sorted({width for width, *_ in names}))
    reads = {
        shape[1]
        for name, shape in target.parts["unet"].items()
        if name.endswith(("attn1.to_k.weight", "attn2.to_k.weight"))
    }
    if not set(widths) <= reads:
        strange = sorted(set(widths) - reads)
        raise DoesNotFit(
            f"{path.name}, made for {_made_for(widths)}, must be for widths that attention in {target.name} "
            f"reads ({_listed(sorted(reads))}), however: {_listed(strange)}"
        )
    order = {(width, side): _checked(file, names, width, side) for width, side in product(widths, (0, 1))}
    return Hypernetwork(file, widths, order=order)


def _checked(file: Checkpoint, names: Mapping[Key, str], width: int, side: int) -> tuple[int, ...]:
    """The layers in order, each of which takes what the one before gives."""
    indices = sorted({index for w, s, index, _ in names if (w, s) == (width, side)})
    size = width
    for index in indices:
        weight, bias = (
            file.shapes.get(names.get((width, side, index, each), "")) for each in ("weight", "bias")
        )
        if bias is None or len(bias) != 1 or not (weight == (bias[0], size) or weight == bias == (size,)):
            raise AdapterError(
                f"layers of {file.path.name} must follow from one another, however: {width}.{side}.linear."
                f"{index} has {weight} and {bias} after {size} features"
            )
        size = bias[0]
    if not indices or size != width:
        raise AdapterError(
            f"{file.path.name} must change keys and values {width} wide, however: side {side} gives {size} "
            f"of them in {len(indices)} layers"
        )
    return tuple(indices)


def _made_for(widths: tuple[int, ...]) -> str:
    return next((FAMILIES[width] for width in reversed(widths) if width in FAMILIES), "an unknown family")


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
