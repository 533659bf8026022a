"""Waiting: a network whose weights stay in their file until layers need them, and go again afterwards.

What it computes is the same to the bit as with its weights in memory: each time they are read, their type and
order are changed as they would have been once. What it costs is reading: from the system's cache of the file,
which it takes back whenever memory is short, or from the disk, which is asked for the next layer's weights
while one computes.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gesso.checkpoint.landing import ALIGNED, Ground
from gesso.families.drawing import Drawing, read
from gesso.families.roundable import narrowed
from gesso.runtime.packing import Porter

__all__ = ["Absent", "Waiting", "at_hand", "units"]

UNIT = 2**27
"""The most bytes of weights that come at once, where the layers can be told apart so finely."""


class Absent(nn.Parameter):
    """A weight that waits in its file: it has size and type, and no numbers."""

    home: "Waiting"
    within: str
    share: float
    """About how much of its bytes it takes when it comes: less than 1 where it is rounded to few bits."""


def at_hand(parameter: Tensor) -> Tensor:
    """A weight's numbers, read from its file where it waits there."""
    if isinstance(parameter, Absent):
        return parameter.home.numbers((parameter,))[0]
    return parameter.data


@dataclass(frozen=True)
class Unit:
    """Weights that come and go together, when a layer is called.

    Args:
        layer: the one.
        places: module, the weight's name in it, and what stands there while it waits.
        alone: no other unit's layer is called while this one's is.
    """

    layer: nn.Module
    places: tuple[tuple[nn.Module, str, Absent], ...]
    alone: bool

    @property
    def nbytes(self) -> int:
        """Bytes that its weights take."""
        return sum(round(absent.nbytes * absent.share) for _, _, absent in self.places)

    def ground(self) -> Ground:
        """Memory for its weights."""
        return Ground(sum(absent.numel() * absent.itemsize + ALIGNED for _, _, absent in self.places))


class Waiting:
    """A network that is drawn, and whose weights wait.

    Args:
        drawing: the network, and the tensors that fill it.
        device: where weights are when they are needed.
        dtype: what they are then; a network that is converted meanwhile has them in its new type.
    """

    def __init__(self, drawing: Drawing, device: torch.device, dtype: torch.dtype) -> None:
        self.drawing = drawing
        self.device = device
        self.network = drawing.network.to(dtype).eval()
        shares = narrowed(self.network, drawing.grids, dtype)
        for name, parameter in list(self.network.named_parameters()):
            layer, _, own = name.rpartition(".")
            absent = Absent(parameter.data, requires_grad=False)
            absent.home, absent.within, absent.share = self, name, shares.get(name, 1.0)
            setattr(self.network.get_submodule(layer), own, absent)
        self.units = units(self.network)

    @property
    def nbytes(self) -> int:
        """Bytes that all its weights take in memory."""
        return sum(each.nbytes for each in self.units)

    @property
    def window(self) -> int:
        """Bytes of the largest unit: what the weights take at the least while layers are called."""
        return max(each.nbytes for each in self.units)

    def again(self, room: int) -> int:
        """Bytes that are read again at every call, where a room is given for weights that stay."""
        every = zip(self.units, _staying(self.units, room), strict=True)
        return sum(unit.nbytes for unit, stays in every if not stays)

    def numbers(self, wanted: Sequence[Absent], ground: Ground | None = None) -> tuple[Tensor, ...]:
        """The numbers of weights that wait, in the type that the network has now."""
        if not wanted:
            return ()
        names = [each.within for each in wanted]
        found = read(self.drawing, names, self.device, wanted[0].dtype, ground)
        return tuple(found[each.within] for each in wanted)

    def ahead(self, unit: Unit) -> int:
        """Have the system read a unit's weights while others are worked with; returns how many bytes."""
        return self.drawing.checkpoint.ahead(self.drawing.tensors[each.within] for _, _, each in unit.places)

    @contextmanager
    def present(self) -> Generator[None]:
        """The whole network ready for use while the block runs."""
        with ExitStack() as undo:
            for unit in self.units:
                undo.callback(_gone, self.come(unit, self.ground(unit)))
            yield

    @contextmanager
    def flowing(self, room: int) -> Generator[None]:
        """Each layer's weights there when it is called, and gone after it, while the block runs.

        Args:
            room: bytes for weights that stay from when they first come until the block ends.
        """
        with ExitStack() as undo:
            again = max(self.units, key=lambda unit: unit.nbytes).ground()
            staying = [*_staying(self.units, room)]
            passing = [unit for unit, stays in zip(self.units, staying, strict=True) if not stays]
            following = dict(zip(passing, (*passing[1:], *passing[:1]), strict=True))
            for unit, stays in zip(self.units, staying, strict=True):
                ground = again if unit.alone and not stays else None
                flow = _Flow(self, unit, ground, None if stays else following[unit])
                undo.callback(flow.let_go)
                undo.callback(unit.layer.register_forward_pre_hook(flow.before, prepend=True).remove)
                undo.callback(unit.layer.register_forward_hook(flow.after, always_call=True).remove)
            yield

    def ground(self, unit: Unit) -> Ground | None:
        """Memory of its own for a unit's weights; none where what comes is rounded, and so leaves it."""
        return None if self.drawing.grids else unit.ground()

    def come(self, unit: Unit, ground: Ground | None) -> list[tuple[nn.Module, str, Absent]]:
        """Put a unit's weights in; returns where. What something else stands in for is left alone."""
        places = [each for each in unit.places if each[0].get_parameter(each[1]) is each[2]]
        found = self.numbers([absent for _, _, absent in places], ground)
        for (layer, own, _), tensor in zip(places, found, strict=True):
            known = isinstance(tensor, nn.Parameter)
            setattr(layer, own, tensor if known else nn.Parameter(tensor, requires_grad=False))
        return places


class _Flow(Porter):
    """A unit's coming and going.

    Args:
        ground: where its weights come each time, which they share with others; None for a place of their own,
            which those that stay take one by one: each may be laid out anew, and is let go then.
        following: whose weights come next from the file; None where this unit's stay once they have come.
    """

    def __init__(self, home: Waiting, unit: Unit, ground: Ground | None, following: Unit | None) -> None:
        self.home = home
        self.unit = unit
        self.ground = ground
        self.following = following
        self.places: list[tuple[nn.Module, str, Absent]] = []

    def before(self, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        """The layer is about to be called."""
        if not given[0].is_meta:
            self.places += self.home.come(self.unit, self._place())
            if self.following is not None:
                # while this layer computes
                self.home.ahead(self.following)

    def _place(self) -> Ground | None:
        if self.ground is not None:
            return self.ground.cleared()
        return None if self.following is None else self.home.ground(self.unit)

    def after(self, *_: object) -> None:
        """The layer was called."""
        if self.following is not None:
            self.let_go()

    def let_go(self) -> None:
        """The weights wait again."""
        _gone(self.places)
        self.places = []


def _gone(places: Sequence[tuple[nn.Module, str, Absent]]) -> None:
    for layer, own, absent in places:
        setattr(layer, own, absent)


def _staying(every: Sequence[Unit], room: int) -> Iterator[bool]:
    for unit in every:
        stays = unit.nbytes <= room
        room -= unit.nbytes if stays else 0
        yield stays


def units(network: nn.Module) -> tuple[Unit, ...]:
    """The largest layers that take at most `UNIT` bytes; what a larger one has of its own comes with it."""
    if not _size(network):
        return ()
    if _size(network) <= UNIT and _called(network):
        return (Unit(network, tuple(_places(network, deep=True)), alone=True),)
    inner = tuple(unit for child in network.children() for unit in units(child))
    own = Unit(network, tuple(_places(network, deep=False)), alone=not inner)
    return (own, *inner) if own.places else inner


def _places(network: nn.Module, *, deep: bool) -> Iterator[tuple[nn.Module, str, Absent]]:
    for layer in network.modules() if deep else (network,):
        for own, parameter in layer.named_parameters(recurse=False):
            assert isinstance(parameter, Absent)
            yield layer, own, parameter


def _size(network: nn.Module) -> int:
    return sum(each.nbytes for each in network.parameters())


def _called(network: nn.Module) -> bool:
    """Whether calling it is how it is used; lists of layers are not."""
    return type(network).forward is not nn.Module.forward
