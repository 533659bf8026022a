"""Whole networks in training, kept as a checkpoint file."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn

from gesso.checkpoint.entry import TORCH_NAMES
from gesso.checkpoint.write import stream
from gesso.model import Model
from gesso.networks.initialise import initialise
from gesso.networks.unet import Additions
from gesso.training.subjects.base import Asked, Saving, Use

__all__ = ["Whole"]

FLOATS = frozenset({"F16", "BF16", "F32", "F64"})
SCALES = (".scale_weight", ".scale_input")
DOT = "/"
"""What stands for a dot in the module's own names, where torch allows none."""


class Whole:
    """Networks of a model in training, in the type that the model is loaded in.

    Args:
        model: its other networks stay as they are.
        parts: names of the networks, or of modules in them, such as "vae.decoder".
        generator: decides the first weights where the networks begin anew; None keeps the file's.
    """

    def __init__(
        self, model: Model, parts: tuple[str, ...], generator: torch.Generator | None = None
    ) -> None:
        self.model = model
        self.module = nn.ModuleDict()
        for name in parts:
            part, _, inner = name.partition(".")
            network = model.networks[part].get_submodule(inner)
            if generator is not None:
                initialise(network, generator)
            self.module[name.replace(".", DOT)] = network

    @contextmanager
    def learning(self) -> Generator[None]:
        """They are the model's own: only gradients are let through while the block runs."""
        self.module.requires_grad_(requires_grad=True)
        try:
            yield
        finally:
            self.module.requires_grad_(requires_grad=False)

    def additions(self, asked: Asked) -> Additions | None:
        """Nothing."""
        del asked

    def use(self, path: Path) -> Use:
        """In the place of the model."""
        return Use(model=path)

    def write(self, path: Path, weights: Mapping[str, Tensor], saving: Saving) -> None:
        """Write the whole checkpoint; what was not trained is as it is in its file, to the bit."""
        source = self.model.identity.checkpoint
        own = {**dict(self._borrowed()), **dict(self._trained(weights))}
        own |= {name: torch.zeros(0) for name in saving.markers}
        gone = own.keys() | {f"{name.removesuffix('.weight')}{end}" for name in own for end in SCALES}
        kept = [name for name in source.shapes if name not in gone]
        table = {name: (source.dtypes[name], source.shapes[name]) for name in kept}
        for name, tensor in own.items():
            table[name] = (_dtype(saving.dtype, source.dtypes.get(name, "F16")), tuple(tensor.shape))
        said = {**source.metadata, **saving.metadata}
        stream(path, table, chain(source.tensors(kept), own.items()), metadata=said)

    def _trained(self, weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        prefixes = self.model.identity.prefixes
        for name, weight in weights.items():
            first, _, rest = name.partition(".")
            part, *inner = first.split(DOT)
            yield prefixes[part] + ".".join([*inner, rest]), weight

    def _borrowed(self) -> Iterator[tuple[str, Tensor]]:
        """Parts that came from other files: the new one carries all it needs."""
        used, origins = self.model.identity.account.used, self.model.origins
        for part, network in self.model.networks.items():
            if not used.get(part) or (part == "vae" and origins.vae):
                prefix = self.model.identity.prefixes[part]
                yield from ((prefix + name, weight) for name, weight in network.state_dict().items())


def _dtype(asked: torch.dtype | None, known: str) -> str:
    """What numbers are kept as: as asked, or as in the file where that is no narrower than 16 bits."""
    if asked is None:
        return known if known in FLOATS else "F16"
    name = str(asked).removeprefix("torch.")
    return next(ours for ours, theirs in TORCH_NAMES.items() if theirs == name)
