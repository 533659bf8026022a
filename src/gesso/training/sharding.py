"""Sharding: every process keeps only its share of what is trained, its gradients and the optimizer's state.

Source: Zhao et al. 2023, arXiv:2304.11277; torch's `fully_shard` does the work.
"""

import shutil
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import Tensor, distributed, nn
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from gesso.errors import BrokenFile, ResourceError
from gesso.training.ranks import Ranks, all_there
from gesso.training.recomputing import KINDS, of_kind
from gesso.training.states import States

__all__ = ["gathered", "lies_in_parts", "load_parts", "plain", "save_parts", "shard", "whole"]


def shard(module: nn.Module, ranks: Ranks) -> None:
    """Leave each process its share of the networks in a module; blocks come together while they are used.

    Args:
        module: its children are called as they are, by `forward`.
    """
    if ranks.size == 1:
        return
    mesh = init_device_mesh(ranks.device.type, (ranks.size,))
    for network in module.children():
        for weight in network.parameters():
            # shares are rows of memory, which channels last has not
            weight.data = weight.data.contiguous()
        for block in of_kind(network, KINDS["blocks"]):
            fully_shard(block, mesh=mesh)
        # else the outermost would keep what it gathered, also when its parts have got other values
        fully_shard(network, mesh=mesh, reshard_after_forward=True)


def lies_in_parts(tensor: Tensor) -> bool:
    """Whether each process holds only a share of it."""
    return isinstance(tensor, DTensor)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor that may lie in parts; every process must ask for the same at the same time."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(weights: Mapping[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
    """All of every tensor, in the first process; every process takes part, and the others end with none."""
    found: dict[str, Tensor] = {}
    for name, weight in weights.items():
        all_of_it = whole(weight)
        if ranks.first:
            found[name] = all_of_it
    return found


def plain(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """Those that do not lie in parts."""
    return (each for each in tensors if not isinstance(each, DTensor))


def save_parts(states: States, step: int, state: Mapping[str, Any], ranks: Ranks) -> None:
    """Write a state of which every process has its part, beside its place, and move it there.

    Raises:
        ResourceError: the disk is full, the folder cannot be written to, or another rank is gone.
    """
    path, beside = states.folder / f"{step:08}.parts", states.folder / ".partial-parts"
    if ranks.first:
        shutil.rmtree(beside, ignore_errors=True)
    try:
        with all_there(ranks.size), _alone_without_a_word():
            save(dict(state), checkpoint_id=beside, no_dist=ranks.size == 1)
        if ranks.first:
            if path.exists():
                shutil.rmtree(path)
            beside.replace(path)
    except (OSError, CheckpointException) as error:
        with suppress(OSError):
            shutil.rmtree(beside)
        raise ResourceError(f"{path} must be writable, however: {error}") from error
    if ranks.first:
        states.forget()
    if ranks.size > 1:
        with all_there(ranks.size):
            distributed.barrier()


@contextmanager
def _alone_without_a_word() -> Generator[None]:
    """Without torch saying of a single process that it takes it to be alone, which it is."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")
        yield


def load_parts(path: Path, state: dict[str, Any], ranks: Ranks) -> None:
    """Read a state into the tensors of one of the same run, which may lie in other parts.

    Raises:
        BrokenFile: it cannot be read, or is of another run.
    """
    try:
        with _alone_without_a_word():
            load(state, checkpoint_id=path, no_dist=ranks.size == 1)
    except CheckpointException as error:
        raise BrokenFile(
            f"{path} must be a saved state of this run, however: {str(error).splitlines()[-1]}",
            hint="delete it to go on from the one before",
        ) from error
