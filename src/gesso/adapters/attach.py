"""Attaching: changes act on a model while a block runs, and are gone after it, to the last bit.

A change of low rank runs beside its layer, which costs no memory for weights and no time to attach. Any other
change is worked out into a second weight that stands in for the first, which is kept and put back.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.adapters.patch import Loaded, LowRank
from gesso.adapters.site import Site
from gesso.errors import AdapterError, NotFinite
from gesso.families.waiting import at_hand
from gesso.model import Model
from gesso.networks.open_clip_text import PackedLinear

__all__ = ["Adapter", "Prepared", "attached", "bake", "prepared"]

Strength = Callable[[Site], float]
Changes = dict[tuple[str, str], list[Callable[[Tensor], Tensor]]]
"""Part and tensor → what is added to it, worked out from the weight itself."""


class Adapter(Protocol):
    """Something that is put on a model and comes off again."""

    @property
    def families(self) -> frozenset[str]:
        """Names of the families it was made for."""
        ...

    def attached(self, model: Model) -> AbstractContextManager[None]:
        """On the model while the block runs; off again after it, also after an error."""
        ...


class Substitute(nn.Parameter):
    """A changed weight that remembers the one it stands for."""

    original: nn.Parameter


@dataclass
class SidePath:
    """A change of low rank as a forward hook of its layer."""

    path: LowRank
    strength: float
    rows: tuple[int, int] | None

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """The layer's output, changed."""
        added = self._through(layer, inputs[0])
        if self.rows is None:
            return output + added
        first, last = self.rows
        return output + functional.pad(added, (first, output.shape[-1] - last))

    def _through(self, layer: nn.Module, x: Tensor) -> Tensor:
        # numbers may have been widened since this was attached
        down, up = self.path.down.to(x.dtype), self.path.up.to(x.dtype)
        factor = self.path.scale * self.strength
        if not isinstance(layer, nn.Conv2d):
            return functional.linear(functional.linear(x, down) * factor, up)
        within = _convolved(layer, x, down, self.path.mid)
        return functional.conv2d(within * factor, up[:, :, None, None])


def _convolved(layer: nn.Conv2d, x: Tensor, down: Tensor, mid: Tensor | None) -> Tensor:
    """From the inputs to the rank, with the layer's own kernel size, stride and edges."""
    if mid is not None:
        x, down = functional.conv2d(x, down), mid.to(x.dtype)
    if layer.padding_mode != "zeros":
        sides = [side for each in reversed(cast(tuple[int, int], layer.padding)) for side in (each, each)]
        return functional.conv2d(functional.pad(x, sides, layer.padding_mode), down, None, layer.stride)
    return functional.conv2d(x, down, None, layer.stride, layer.padding)


@dataclass
class Prepared:
    """Patches made ready for one model, to be put on and taken off as often as wanted.

    Args:
        beside: layers, and what runs beside them.
        changes: what is added to whole weights.
        made: weights as they were made last, with the weight they were made from and the factor.
    """

    model: Model
    beside: list[tuple[nn.Module, SidePath]]
    changes: Changes
    made: dict[tuple[str, str], tuple[nn.Parameter, float, "Substitute"]]

    @contextmanager
    def on(self, factor: float = 1.0) -> Generator[None]:
        """On the model while the block runs.

        Args:
            factor: multiplies every strength; at 0 nothing is done at all.
        """
        with ExitStack() as undo:
            for layer, path in self.beside if factor else ():
                hook = path if factor == 1.0 else replace(path, strength=path.strength * factor)
                handle = layer.register_forward_hook(hook)  # pyright: ignore[reportArgumentType] - torch asks for a function, any callable does
                undo.callback(handle.remove)
            for place in self.changes if factor else ():
                undo.enter_context(self._substituted(place, factor))
            yield

    @contextmanager
    def _substituted(self, place: tuple[str, str], factor: float) -> Generator[None]:
        """Another weight in a weight's place, for a while."""
        part, name = place
        network = self.model.networks[part]
        layer_name, _, own = name.rpartition(".")
        layer, before = network.get_submodule(layer_name), network.get_parameter(name)
        known = self.made.get(place)
        if known is None or known[0] is not before or known[1] != factor:
            known = (before, factor, _substitute(before, self.changes[place], factor, name))
            self.made[place] = known
        setattr(layer, own, known[2])
        try:
            yield
        finally:
            setattr(layer, own, before)


def prepared(model: Model, patches: Iterable[Loaded], strength: Strength) -> Prepared:
    """Make patches ready for a model.

    Args:
        strength: how strongly each place is changed; where it is 0, nothing is done at all.
    """
    ready = Prepared(model, [], {}, {})
    for each in patches:
        amount = strength(each.patch.site)
        if amount:
            found = _beside(model, each, amount)
            if found is None:
                _collect(each, amount, ready.changes)
            else:
                ready.beside.append(found)
            _collect_bias(each, amount, ready.changes)
    return ready


def attached(model: Model, patches: Iterable[Loaded], strength: Strength) -> AbstractContextManager[None]:
    """Patches on a model while the block runs."""
    return prepared(model, patches, strength).on()


def bake(model: Model, patches: Iterable[Loaded], strength: Strength) -> None:
    """Write patches into a model's weights for good.

    Raises:
        AdapterError: the weights are rounded to few bits, which would round the change away.
    """
    if model.quantize != "none":
        raise AdapterError(
            f"weights must be whole to be changed for good, however: they are rounded to {model.quantize}",
            hint="attach the adapter instead, or load the model without quantization",
        )
    changes: Changes = {}
    for each in patches:
        amount = strength(each.patch.site)
        if amount:
            _collect(each, amount, changes)
            _collect_bias(each, amount, changes)
    for (part, name), added in changes.items():
        parameter = model.networks[part].get_parameter(name)
        parameter.data = _changed(parameter.data, parameter.data, added, name)


def _beside(model: Model, each: Loaded, amount: float) -> tuple[nn.Module, SidePath] | None:
    """A patch that runs beside its layer, if both allow it."""
    site = each.patch.site
    path = each.low_rank()
    if path is None or site.transposed:
        return None
    layer = model.networks[site.part].get_submodule(site.layer)
    if site.rows is not None:
        layer = layer.get_submodule("in_proj")
    if not isinstance(layer, nn.Linear | nn.Conv2d | PackedLinear):
        return None
    return layer, SidePath(_placed(path, model), amount, site.rows)


def _placed(path: LowRank, model: Model) -> LowRank:
    """Where and in what the model computes."""
    down, up = (each.to(model.device, model.dtype) for each in (path.down, path.up))
    mid = None if path.mid is None else path.mid.to(model.device, model.dtype)
    return LowRank(down, mid, up, path.scale)


def _collect(each: Loaded, amount: float, changes: Changes) -> None:
    """Note what a patch adds to a whole tensor."""
    site = each.patch.site

    def added(weight: Tensor) -> Tensor:
        seen = weight if site.rows is None else weight[slice(*site.rows)]
        seen = seen.T if site.transposed else seen
        change = each.change(seen) * amount
        change = change.T if site.transposed else change
        if site.rows is None:
            return change
        whole = torch.zeros_like(weight)
        whole[slice(*site.rows)] = change
        return whole

    if each.patch.algebra is not None:
        changes.setdefault((site.part, site.weight), []).append(added)


def _collect_bias(each: Loaded, amount: float, changes: Changes) -> None:
    site, bias = each.patch.site, each.bias()
    if bias is None or site.bias is None:
        return

    def added(whole: Tensor) -> Tensor:
        change = bias.to(whole.device, torch.float32) * amount
        if site.rows is None:
            return change
        found = torch.zeros_like(whole)
        found[slice(*site.rows)] = change
        return found

    changes.setdefault((site.part, site.bias), []).append(added)


def _substitute(
    before: nn.Parameter, added: list[Callable[[Tensor], Tensor]], factor: float, name: str
) -> Substitute:
    original = before.original if isinstance(before, Substitute) else before
    now = at_hand(before)
    known = now if before is original else at_hand(original)
    substitute = Substitute(_changed(now, known, added, name, factor), requires_grad=False)
    substitute.original = original
    return substitute


def _changed(
    now: Tensor, original: Tensor, added: list[Callable[[Tensor], Tensor]], name: str, factor: float = 1.0
) -> Tensor:
    """The weight as it is now with more added to it, laid out in memory as it was."""
    wide = original.float()
    total = sum((each(wide) for each in added), start=torch.zeros_like(wide))
    changed = (now.float() + (total if factor == 1.0 else total * factor)).to(now.dtype)
    if not torch.isfinite(changed).all():
        raise NotFinite(f"{name} must stay finite when changed, however: it overflows in {now.dtype}")
    if now.ndim == 4 and now.is_contiguous(memory_format=torch.channels_last):
        return changed.contiguous(memory_format=torch.channels_last)
    return changed.contiguous()
