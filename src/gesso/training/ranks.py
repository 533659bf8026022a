"""Ranks: several processes that learn together, each its share of every batch; one alone is one of one.

Every rank draws what the whole batch draws and looks at its own rows; the gradients are averaged. It holds
the whole subject, or a share of it (`sharding`). So any number of ranks learns, to rounding, what one does.
"""

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from gesso.errors import RequestError, ResourceError

__all__ = ["ALONE", "PATIENCE", "Ranks", "all_there", "together"]

CHUNK = 16 * 2**20
"""Numbers that are averaged at once."""
PATIENCE = timedelta(hours=12)
"""How long the others wait for the first rank, which also paints and writes."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that learn together.

    Args:
        rank: its number, from 0; the first also writes.
        size: how many there are.
        device: where they speak to each other.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - a constant

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    def rows(self, batch: int) -> slice:
        """Its share of a batch.

        Raises:
            RequestError: the batch cannot be shared evenly.
        """
        if batch % self.size:
            raise RequestError(
                f"a batch must be shared evenly by {self.size} processes, however: it has {batch}"
            )
        share = batch // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Put the mean over all ranks into tensors, in place.

        Raises:
            ResourceError: another rank is gone.
        """
        if self.size == 1:
            return
        chunk: list[Tensor] = []
        for each in tensors:
            chunk.append(each)
            if sum(one.numel() for one in chunk) >= CHUNK:
                self._mean(chunk)
                chunk = []
        if chunk:
            self._mean(chunk)

    def any(self, flag: bool) -> bool:
        """Whether any rank says so, told to all."""
        if self.size == 1:
            return flag
        said = torch.tensor(float(flag), device=self.device)
        self.average([said])
        return bool(said > 0)

    def _mean(self, chunk: list[Tensor]) -> None:
        flat = torch.cat([each.flatten().to(self.device) for each in chunk])
        with all_there(self.size):
            distributed.all_reduce(flat)
        flat /= self.size
        for each, part in zip(chunk, flat.split([one.numel() for one in chunk]), strict=True):
            each.copy_(part.view_as(each))


ALONE = Ranks()
"""One process by itself."""


@contextmanager
def all_there(size: int) -> Generator[None]:
    """Say in a word of ours that another process is gone, where one must be heard inside.

    Raises:
        ResourceError: another rank is gone.
    """
    try:
        yield
    except RuntimeError as error:
        # gloo has no error of its own
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise ResourceError(
            f"all {size} processes must go on, however: one is gone",
            hint="start them again: the run goes on from its last saved state",
        ) from error


@contextmanager
def together(device: torch.device) -> Generator[Ranks]:
    """Meet the other processes that torchrun started; alone, where there are none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()
