"""Optimizers that keep their state in few bits, or page it out, by libraries that may be there.

Source: Dettmers et al. 2021, arXiv:2110.02861 (8 bits, by blocks); Li et al. 2023, arXiv:2309.01507 (4 bits).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch

from gesso.errors import RequestError, Unsupported
from gesso.training.settings import TrainingSettings

__all__ = ["LIBRARIES", "narrow"]


@dataclass(frozen=True)
class Library:
    """Where an optimizer is.

    Args:
        module: that has it.
        kind: its class there.
        install: how the library is got.
        cuda: whether it needs such a device.
    """

    module: str
    kind: str
    install: str
    cuda: bool = False


LIBRARIES: Mapping[str, Library] = {
    "adamw8bit": Library("torchao.optim", "AdamW8bit", "pip install gesso[train]"),
    "adamw4bit": Library("torchao.optim", "AdamW4bit", "pip install gesso[train]"),
    "pagedadamw": Library("bitsandbytes.optim", "PagedAdamW", "pip install bitsandbytes", cuda=True),
    "pagedadamw8bit": Library("bitsandbytes.optim", "PagedAdamW8bit", "pip install bitsandbytes", cuda=True),
}
"""By the names that recipes use."""


def narrow(groups: Iterable[dict[str, Any]], settings: TrainingSettings) -> torch.optim.Optimizer:
    """The optimizer that settings name, one of `LIBRARIES`.

    Args:
        groups: parameters with their rates.

    Raises:
        RequestError: it does not run on the device where the parameters are.
        Unsupported: its library is not installed.
    """
    library, given = LIBRARIES[settings.optimizer], list(groups)
    device = given[0]["params"][0].device.type
    if library.cuda and device != "cuda":
        raise RequestError(
            f"{settings.optimizer} must move weights on a CUDA device, however: they are on {device}",
            hint="run.optimizer = adamw8bit takes little memory everywhere",
        )
    try:
        kind = getattr(import_module(library.module), library.kind)
    except ImportError as error:
        package = library.module.partition(".")[0]
        raise Unsupported(
            f"{settings.optimizer} must come with {package}, however: it is not installed",
            hint=library.install,
        ) from error
    kind = _plain(kind) if device == "cpu" else kind
    return kind(
        given, settings.rate, betas=settings.betas, weight_decay=settings.weight_decay, **settings.options
    )


def _plain(kind: Any) -> Any:
    """The same without compiling for every shape of weights, which takes CPUs longer than it saves."""

    class Plain(kind):
        def step(self, closure: Any = None) -> Any:
            with torch.compiler.set_stance("force_eager"):
                return super().step(closure)

    return Plain
