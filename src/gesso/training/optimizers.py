"""Optimizers by name: torch's own, and with the extra `train` those of torchao and pytorch-optimizer."""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from gesso.errors import RequestError, UnknownName, Unsupported
from gesso.training.narrow_optimizers import LIBRARIES, narrow
from gesso.training.settings import TrainingSettings

__all__ = ["OWN", "move", "optimizer", "ready"]

Groups = Iterable[dict[str, Any]]


def _adamw(groups: Groups, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Source: Loshchilov & Hutter 2019, arXiv:1711.05101."""
    return torch.optim.AdamW(
        list(groups), settings.rate, betas=settings.betas, weight_decay=settings.weight_decay, fused=True
    )


def _sgd(groups: Groups, settings: TrainingSettings) -> torch.optim.Optimizer:
    """With Nesterov's momentum; the first of the betas is the momentum."""
    momentum = settings.betas[0]
    return torch.optim.SGD(
        list(groups), settings.rate, momentum, weight_decay=settings.weight_decay, nesterov=momentum > 0
    )


def _adafactor(groups: Groups, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Source: Shazeer & Stern 2018, arXiv:1804.04235; with a rate of its own, no relative steps."""
    return torch.optim.Adafactor(list(groups), settings.rate, weight_decay=settings.weight_decay)


OWN: Mapping[str, Callable[[Groups, TrainingSettings], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "sgd": _sgd,
    "adafactor": _adafactor,
}
"""Optimizers that torch has."""


def optimizer(groups: Groups, settings: TrainingSettings) -> torch.optim.Optimizer:
    """The optimizer that settings name.

    Args:
        groups: parameters with their rates.

    Raises:
        UnknownName: there is none of that name.
        Unsupported: it needs a library that is not installed.
        RequestError: it has no such option, or does not run on this device.
    """
    try:
        if settings.optimizer in LIBRARIES:
            return narrow(groups, settings)
        if settings.optimizer in OWN:
            made = OWN[settings.optimizer](groups, settings)
            for group in made.param_groups:
                group.update(_known(group, settings.options))
            return made
        return _others(groups, settings)
    except TypeError as error:
        raise RequestError(
            f"options must be those of {settings.optimizer}, however: {dict(settings.options)}",
            hint=str(error),
        ) from error


def _known(group: dict[str, Any], options: Mapping[str, object]) -> Mapping[str, object]:
    unknown = [name for name in options if name not in group]
    if unknown:
        raise TypeError(f"known: {', '.join(sorted(set(group) - {'params'}))}")
    return options


def _others(groups: Groups, settings: TrainingSettings) -> torch.optim.Optimizer:
    try:
        library = import_module("pytorch_optimizer")
    except ImportError as error:
        raise Unsupported(
            f"the optimizer must be one of {', '.join(OWN)}, however: {settings.optimizer}",
            hint="more of them come with the extra: pip install gesso[train]",
        ) from error
    names = library.get_supported_optimizers()
    if settings.optimizer not in names:
        raise UnknownName("optimizer", settings.optimizer, [*OWN, *LIBRARIES, *names])
    kind = library.load_optimizer(settings.optimizer)
    return kind(list(groups), lr=settings.rate, weight_decay=settings.weight_decay, **settings.options)


def ready(made: torch.optim.Optimizer, *, training: bool) -> None:
    """Put the weights where they are trained, or where they are used: schedule-free optimizers keep both.

    Source: Defazio et al. 2024, arXiv:2405.15682, section 2.
    """
    switch = getattr(made, "train" if training else "eval", None)
    if switch is not None:
        switch()


def move(made: torch.optim.Optimizer, share: float) -> None:
    """Let gradients move the weights, and drop the gradients.

    Args:
        share: of each group's highest rate.
    """
    for group in made.param_groups:
        rate = group["highest"] * share
        if isinstance(group["lr"], Tensor):
            # compiled steps read it anew
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    made.step()
    made.zero_grad()
