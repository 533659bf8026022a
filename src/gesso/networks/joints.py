"""Joints: whether a UNet's blocks fit together, told from shapes alone, before anything is built.

A file put together from others can have layers that are each well formed and yet do not fit; without this it
would fail in the middle of painting, with a message about matrices.
"""

from gesso.errors import TensorMismatch
from gesso.networks.structure import Shapes, channels, count, whole, wired

__all__ = ["check_descent", "check_joints", "given"]

ENDS = (("in_layers.0", "out_layers.3"), ("norm", "proj_out"), ("op", "op"), ("conv", "conv"))
"""First and last layer of each kind of block member: residual, transformer, downsample, upsample."""


def check_joints(shapes: Shapes) -> None:
    """Follow a UNet's channels down, through the middle and up again.

    Raises:
        TensorMismatch: a block takes another width than it is given; names its first layer.
    """
    skips, width = check_descent(shapes)
    for i in range(count(shapes, "output_blocks")):
        width = through(shapes, f"output_blocks.{i}", width + skips.pop())
    given(shapes, "out.0", width)
    given(shapes, "out.2", width)


def check_descent(shapes: Shapes) -> tuple[list[int], int]:
    """Follow the channels down and through the middle.

    Returns:
        The widths that the input blocks leave, and the middle's.

    Raises:
        TensorMismatch: a block takes another width than it is given; names its first layer.
    """
    skips = [channels(shapes, "input_blocks.0.0")[0]]
    for i in range(count(shapes, "input_blocks")):
        skips.append(through(shapes, f"input_blocks.{i}", skips[-1]))
    embedders = [name for name in ("time_embed.2", "label_emb.0.2") if f"{name}.weight" in shapes]
    for name in (name for name in shapes if name.endswith(".emb_layers.1.weight")):
        for embedder in embedders:
            wired(shapes, embedder, name.removesuffix(".weight"))
    ends = (".attn2.to_k.weight", ".attn2.to_v.weight")
    contexts = [name.removesuffix(".weight") for name in shapes if name.endswith(ends)]
    for name in contexts:
        given(shapes, name, channels(shapes, contexts[0])[0])
    return skips[1:], through(shapes, "middle_block", skips[-1])


def through(shapes: Shapes, block: str, width: int) -> int:
    """The width a block gives when it is given one; an empty block passes it on."""
    for j in range(count(shapes, block)):
        member = f"{block}.{j}"
        first, last = next(
            ((f"{member}.{a}", f"{member}.{b}") for a, b in ENDS if f"{member}.{a}.weight" in shapes),
            (member, member),
        )
        given(shapes, first, width)
        width = channels(shapes, last)[1]
    return width


def given(shapes: Shapes, name: str, width: int) -> None:
    """Check what a layer takes."""
    taken = channels(shapes, name)[0]
    if taken != width:
        raise TensorMismatch(
            f"{whole(shapes, name)}.weight must take the {width} channels it is given, however: it takes "
            f"{taken}"
        )
