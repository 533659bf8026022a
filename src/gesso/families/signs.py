"""Signs: single facts a header shows, each able to say what it expected and what it found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gesso.checkpoint.shapes import Shapes

__all__ = ["UNET", "Sign", "context_width", "either", "has", "inputs", "lacks", "projections", "vector"]

UNET = "model.diffusion_model."
"""Prefix of the network that removes the noise, in every published checkpoint."""


@dataclass(frozen=True)
class Sign:
    """One fact that holds for a header or does not.

    Args:
        text: what holds, such as "no tensor label_emb.*".
        contradiction: what a header shows instead, or None where the sign holds.
    """

    text: str
    contradiction: Callable[[Shapes], str | None]


def has(name: str) -> Sign:
    """A tensor of this name, or under it where it ends in a dot."""

    def contradiction(shapes: Shapes) -> str | None:
        found = name in shapes or (name.endswith(".") and any(key.startswith(name) for key in shapes))
        return None if found else f"{name} is not there"

    return Sign(f"{name} is there", contradiction)


def lacks(name: str) -> Sign:
    """No tensor whose name starts so."""

    def contradiction(shapes: Shapes) -> str | None:
        found = next((key for key in shapes if key.startswith(name)), None)
        return None if found is None else f"{found} is there"

    return Sign(f"{name} is not there", contradiction)


def inputs(*channels: int) -> Sign:
    """The number of channels the network's first convolution takes."""
    name = f"{UNET}input_blocks.0.0.weight"
    return _axis(name, 1, channels, "input channels")


def vector(*widths: int) -> Sign:
    """The width of the pooled condition beside the time embedding."""
    return _axis(f"{UNET}label_emb.0.0.weight", 1, widths, "vector inputs")


def _axis(name: str, axis: int, sizes: tuple[int, ...], noun: str) -> Sign:
    wanted = " or ".join(map(str, sizes))

    def contradiction(shapes: Shapes) -> str | None:
        shape = shapes.get(name)
        if shape is None:
            return f"{name} is not there"
        if len(shape) <= axis or shape[axis] not in sizes:
            return f"{name} has shape {list(shape)}, not {wanted} {noun}"
        return None

    return Sign(f"{name} has {wanted} {noun}", contradiction)


def projections(dimensions: int) -> Sign:
    """Whether transformers project by 1x1 convolution (4 dimensions) or by a linear layer (2)."""

    def contradiction(shapes: Shapes) -> str | None:
        name = _first(shapes, ".proj_in.weight")
        if name is None:
            return f"no {UNET}*.proj_in.weight is there"
        found = len(shapes[name])
        return None if found == dimensions else f"{name} has {found} dimensions, not {dimensions}"

    return Sign(f"{UNET}*.proj_in.weight has {dimensions} dimensions", contradiction)


def context_width(*widths: int) -> Sign:
    """The width of the text tokens the network attends to."""
    wanted = " or ".join(map(str, widths))

    def contradiction(shapes: Shapes) -> str | None:
        name = _first(shapes, ".attn2.to_k.weight")
        if name is None:
            return f"no {UNET}*.attn2.to_k.weight is there"
        found = shapes[name][-1]
        return None if found in widths else f"{name} has width {found}, not {wanted}"

    return Sign(f"{UNET}*.attn2.to_k.weight has width {wanted}", contradiction)


def either(text: str, *signs: Iterable[Sign]) -> Sign:
    """One of several groups of signs holds as a whole."""

    def contradiction(shapes: Shapes) -> str | None:
        found: list[str] = []
        for group in signs:
            against = [say for sign in group if (say := sign.contradiction(shapes)) is not None]
            if not against:
                return None
            found.append(against[0])
        return "; ".join(found)

    return Sign(text, contradiction)


def _first(shapes: Shapes, ending: str) -> str | None:
    return next((name for name in shapes if name.startswith(UNET) and name.endswith(ending)), None)
