"""A Store: tensors on the disk by what made them, so that nothing is made twice, nor taken for another."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from gesso.errors import ResourceError

__all__ = ["Store", "fingerprint"]


class Store:
    """A folder of tensors; each file appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, made_of: object, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """What was made of this before, or now.

        Args:
            made_of: all that decides the result, as JSON can say it.
            make: only called where nothing is kept, or what is kept is broken.
        """
        key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
        path = self.folder / key[:2] / f"{key}.safetensors"
        try:
            return load_file(path)
        except (OSError, SafetensorError):
            found = {name: tensor.cpu().contiguous() for name, tensor in make().items()}
        # not waited for until it is on the disk: what a power cut takes is made again
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(save(found))
            beside.replace(path)
        except OSError as error:
            raise ResourceError(f"{path.parent} must be writable, however: {error.strerror}") from error
        return found


def fingerprint(network: nn.Module) -> str:
    """Says whether two networks would give the same: a hash of every name and weight."""
    found = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        found.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        plain = weight.detach().cpu().contiguous().reshape(-1)
        found.update(plain.view(torch.uint8).numpy().data)
    return found.hexdigest()
