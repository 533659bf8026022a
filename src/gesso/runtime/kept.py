"""Weights kept in another form than layers have them: they look like tensors, and read as the plain ones."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._pytree import tree_map_only

__all__ = ["WEIGHED", "Kept", "pairs", "taken"]

# what makes a tensor of one's own is not in torch's type annotations
_TORCH: Any = torch
_TENSOR: Any = Tensor
WEIGHED = (functional.linear, functional.conv2d)
"""Functions whose second argument is a layer's weight."""


class Kept(Tensor):
    """A weight in another form, which alone is kept: it has the plain one's size and type.

    Convolutions and linear layers may see through it (`answers`). Whatever else reads it is given the plain
    weight; nothing can write to it.
    """

    @staticmethod
    def __new__(cls: type["Kept"], like: Tensor) -> "Kept":
        """A tensor without numbers of its own, of the size, order, type and device of another."""
        made = _TENSOR._make_wrapper_subclass(
            cls, like.shape, like.stride(), dtype=like.dtype, device=like.device
        )
        # how torch knows a parameter that is more than a tensor
        made._is_param = True
        return made

    def plain(self) -> Tensor:
        """The weight as layers have it; convolutions' channels last."""
        raise NotImplementedError

    def taken(self) -> int:
        """Bytes that its form takes."""
        return self.nbytes

    def answers(self, func: Callable[..., Any]) -> Callable[..., Tensor] | None:
        """What computes one of `WEIGHED` with this weight; None leaves it to torch and the plain weight."""
        raise NotImplementedError

    @classmethod
    def __torch_function__(
        cls,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called by torch for every function that such a weight is given to."""
        if func in WEIGHED and isinstance(args[1], Kept):
            answer = args[1].answers(func)
            if answer is not None:
                return answer(*args, **(kwargs or {}))
        if func in _ANSWERS:
            return _ANSWERS[func](*args)
        with _TORCH._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Called by torch for every operation that reads such a weight's numbers."""
        if func._schema.is_mutable and isinstance(args[0], Kept):
            _refused(args[0], func)
        return func(*tree_map_only(Kept, _plain, args), **tree_map_only(Kept, _plain, kwargs or {}))


def taken(weight: Tensor) -> int:
    """Bytes that a weight takes in memory, in whatever form it is kept."""
    return weight.taken() if isinstance(weight, Kept) else weight.nbytes


def pairs(*lengths: int | tuple[int, ...] | str) -> list[tuple[int, ...]]:
    """Of height and width each, where one number stands for both; every layer here states numbers."""
    assert not any(isinstance(each, str) for each in lengths)
    return [(each, each) if isinstance(each, int) else each for each in lengths if not isinstance(each, str)]


def _plain(kept: Kept) -> Tensor:
    return kept.plain()


def _refused(kept: Kept, by: object) -> None:
    raise TypeError(f"a {type(kept).__name__.lower()} weight must not be written to, however: {by} would")


_ANSWERS: dict[Callable[..., Any], Callable[..., Any]] = {
    Tensor.detach: _plain,
    _TENSOR.data.__get__: _plain,
    _TENSOR.data.__set__: _refused,
    # a module that is moved or converted makes new parameters then
    _TORCH._has_compatible_shallow_copy_type: lambda *_: False,
}
"""What torch does not leave to `__torch_dispatch__` alone."""
