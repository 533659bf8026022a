"""A layer's tensors, as every layout names them: `weight` and `bias`."""

from collections.abc import Iterator

__all__ = ["Tensors", "weights"]

Tensors = Iterator[tuple[str, tuple[int, ...]]]


def weights(name: str, *shape: int, bias: bool = True) -> Tensors:
    """A layer's weight and bias; a norm's too, whose weight has one dimension."""
    yield f"{name}.weight", shape
    if bias:
        yield f"{name}.bias", shape[:1]
