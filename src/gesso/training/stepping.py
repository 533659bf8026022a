"""How gradients become better weights: all together after the way back, or each as the way back passes it."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict

from gesso.errors import NotFinite
from gesso.training.optimizers import move, optimizer, ready
from gesso.training.ranks import ALONE, Ranks
from gesso.training.rounding import rounded
from gesso.training.settings import TrainingSettings
from gesso.training.sharding import plain, whole

__all__ = ["Apart", "Now", "Stepping", "Together", "stepping"]


@dataclass(frozen=True, slots=True)
class Now:
    """A step in progress.

    Args:
        number: of the step, counted from 0.
        share: of the highest rate.
    """

    number: int
    share: float


class Stepping(Protocol):
    """What moves the weights."""

    @contextmanager
    def moving(self, now: Now) -> Generator[None]:
        """Gradients that are worked out inside have moved the weights when the block is left.

        Raises:
            NotFinite: a gradient overflowed.
            ResourceError: another rank is gone.
        """
        ...

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, beside the weights."""
        ...

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; rates stay those of the settings."""
        ...

    @property
    def groups(self) -> Iterator[dict[str, Any]]:
        """Parameters with their rates."""
        ...


class Together:
    """One optimizer for everything, which sees all gradients at once."""

    def __init__(self, network: nn.Module, settings: TrainingSettings, ranks: Ranks = ALONE) -> None:
        self.network = network
        self.settings = settings
        self.ranks = ranks
        self.optimizer = optimizer(_groups(network, settings), settings)

    @contextmanager
    def moving(self, now: Now) -> Generator[None]:
        """All weights move at the end."""
        ready(self.optimizer, training=True)
        yield
        weights = [each for each in self.network.parameters() if each.grad is not None]
        # those that lie in parts are averaged already
        self.ranks.average(plain(each.grad for each in weights if each.grad is not None))
        _finite(whole(nn.utils.clip_grad_norm_(weights, self.settings.clip)), now)
        move(self.optimizer, now.share)
        ready(self.optimizer, training=False)

    def state(self) -> dict[str, Any]:
        """The optimizer's."""
        if not self.settings.shard:
            return self.optimizer.state_dict()
        # by the parameters' names, and begun where no step was done: what parts are read into
        with _learning(self.network):
            return get_optimizer_state_dict(self.network, self.optimizer)

    def load(self, state: Mapping[str, Any]) -> None:
        """The optimizer's."""
        if not self.settings.shard:
            _load(self.optimizer, state)
            return
        rates = [group["highest"] for group in self.groups]
        with _learning(self.network):
            set_optimizer_state_dict(self.network, self.optimizer, dict(state))
        for group, rate in zip(self.groups, rates, strict=True):
            group["highest"] = rate

    @property
    def groups(self) -> Iterator[dict[str, Any]]:
        """The optimizer's."""
        yield from self.optimizer.param_groups


class Apart:
    """An optimizer for every tensor, which moves it as soon as its gradient is there, and drops the gradient.

    So the gradients are never all held, and weights may be kept in bfloat16: each is widened while it moves.
    The longest gradient is that of a single tensor here.

    Source: Lv et al. 2023, arXiv:2306.09782, section 3.1 (fused updates).
    """

    def __init__(self, network: nn.Module, settings: TrainingSettings, ranks: Ranks = ALONE) -> None:
        self.settings = settings
        self.ranks = ranks
        self.weights = dict(network.named_parameters())
        rates = {id(w): group["lr"] for group in _groups(network, settings) for w in group["params"]}
        self.optimizers = {name: self._optimizer(w, rates[id(w)]) for name, w in self.weights.items()}

    def _optimizer(self, weight: nn.Parameter, rate: float) -> torch.optim.Optimizer:
        moved = (
            weight if weight.dtype is torch.float32 else nn.Parameter(torch.empty(0, device=weight.device))
        )
        return optimizer([{"params": [moved], "lr": rate, "highest": rate}], self.settings)

    @contextmanager
    def moving(self, now: Now) -> Generator[None]:
        """Every weight moves as the way back passes it."""
        hooks = [
            weight.register_post_accumulate_grad_hook(partial(self._pass, now, number, name))
            for number, (name, weight) in enumerate(self.weights.items())
            if weight.requires_grad
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _pass(self, now: Now, number: int, name: str, weight: Tensor) -> None:
        assert weight.grad is not None, "torch calls this once the gradient is there"
        self.ranks.average([weight.grad])
        moved = self.optimizers[name].param_groups[0]["params"][0]
        if moved is not weight:
            moved.data, moved.grad = weight.detach().float(), weight.grad.float()
            weight.grad = None
        _finite(nn.utils.clip_grad_norm_(moved, self.settings.clip), now)
        ready(self.optimizers[name], training=True)
        move(self.optimizers[name], now.share)
        ready(self.optimizers[name], training=False)
        if moved is not weight:
            seed = (self.settings.seed * 1_000_003 + now.number) * 1_000_003 + number
            weight.data.copy_(rounded(moved.data, torch.Generator().manual_seed(seed % 2**63)))
            moved.data = torch.empty(0, device=weight.device)

    def state(self) -> dict[str, Any]:
        """The optimizers', by the names of what they move."""
        return {name: each.state_dict() for name, each in self.optimizers.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """The optimizers', by the names of what they move."""
        for name, each in self.optimizers.items():
            _load(each, state[name])

    @property
    def groups(self) -> Iterator[dict[str, Any]]:
        """All optimizers'."""
        for each in self.optimizers.values():
            yield from each.param_groups


def stepping(network: nn.Module, settings: TrainingSettings, ranks: Ranks = ALONE) -> Stepping:
    """The way that settings ask for."""
    return (Apart if settings.fused_backward else Together)(network, settings, ranks)


@contextmanager
def _learning(network: nn.Module) -> Generator[None]:
    """Gradients are let through: torch has no state for what is let through none, as before a run goes on."""
    still = [each for each in network.parameters() if not each.requires_grad]
    for each in still:
        each.requires_grad = True
    try:
        yield
    finally:
        for each in still:
            each.requires_grad = False


def _groups(network: nn.Module, settings: TrainingSettings) -> list[dict[str, Any]]:
    """Parameters by their rates."""
    texts = [w for name, w in network.named_parameters() if name.startswith("text")]
    others = [w for name, w in network.named_parameters() if not name.startswith("text")]
    rates = ((others, settings.rate), (texts, settings.text_rate or settings.rate))
    return [{"params": weights, "lr": rate, "highest": rate} for weights, rate in rates if weights]


def _finite(length: Tensor, now: Now) -> None:
    if not length.isfinite():
        raise NotFinite(
            f"gradients must be finite, however: their length is {float(length)} in step {now.number}",
            hint="the last saved state is as it was; lower run.rate",
        )


def _load(made: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    rates = [group["highest"] for group in made.param_groups]
    made.load_state_dict(dict(state))
    for group, rate in zip(made.param_groups, rates, strict=True):
        group["highest"] = rate
