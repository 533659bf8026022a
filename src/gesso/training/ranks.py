"""Ranks: several processes that learn together, each its share of every batch; one alone is one of one.

Every rank holds the whole subject, draws what the whole batch draws and looks at its own rows; the gradients
are averaged. So any number of ranks learns, to rounding, what one process learns.
"""

import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from gesso.errors import RequestError, ResourceError

__all__ = ["ALONE", "Ranks", "together"]

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
        try:
            distributed.all_reduce(flat)
        except RuntimeError as error:
            raise ResourceError(
                f"all {self.size} processes must go on, however: one is gone",
                hint="start them again: the run goes on from its last saved state",
            ) from error
        flat /= self.size
        for each, part in zip(chunk, flat.split([one.numel() for one in chunk]), strict=True):
            each.copy_(part.view_as(each))


ALONE = Ranks()
"""One process by itself."""


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
