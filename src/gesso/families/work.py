"""Work: floating-point operations of a network, counted from its tensors' names and shapes alone.

A product of an m x k and a k x n matrix is 2 m k n operations; norms, activations and sums are not counted.
"""

from collections.abc import Mapping
from math import prod

from gesso.checkpoint.shapes import Shapes

__all__ = ["decoder_work", "unet_work"]

Cells = tuple[int, int]
ONCE = ("emb_layers.", "time_embed.", "label_emb.")
"""Layers of a UNet that are given one vector for the whole picture."""
TOLD = ("attn2.to_k.", "attn2.to_v.")
"""Those that are given the prompt's tokens."""


def unet_work(shapes: Shapes, latent: Cells, tokens: int = 77) -> int:
    """Operations of one row through a UNet.

    Args:
        shapes: its tensors by their names in it.
        latent: height and width in latent cells.
        tokens: of the prompt.
    """
    places = _unet_places(shapes, latent)
    return sum(_unet_layer(name, shape, places, tokens) for name, shape in shapes.items())


def _unet_layer(name: str, shape: tuple[int, ...], places: Mapping[str, int], tokens: int) -> int:
    if len(shape) < 2:
        return 0
    block = ".".join(name.split(".")[:2])
    positions = places.get(block, places[""])
    if name.endswith(".conv.weight"):
        positions = places[f"{block}.up"]
    if any(each in name for each in ONCE):
        positions = 1
    looked = tokens if "attn2." in name else positions
    looking = 4 * positions * looked * shape[0] if name.endswith(".to_q.weight") else 0
    if any(each in name for each in TOLD):
        positions = tokens
    return 2 * prod(shape) * positions + looking


def _unet_places(shapes: Shapes, latent: Cells) -> dict[str, int]:
    """Positions of each block's output, and of what an output block leads up to; "" is the whole picture."""
    height, width = latent
    found = {"": height * width}
    down: list[int] = []
    for i in range(shapes.count("input_blocks")):
        if f"input_blocks.{i}.0.op.weight" in shapes:
            height, width = -(-height // 2), -(-width // 2)
        down.append(height * width)
        found[f"input_blocks.{i}"] = down[-1]
    found |= {f"middle_block.{j}": down[-1] for j in range(shapes.count("middle_block"))}
    up = down[::-1]
    for i, (own, after) in enumerate(zip(up, [*up[1:], up[-1]], strict=True)):
        found |= {f"output_blocks.{i}": own, f"output_blocks.{i}.up": after}
    return found


def decoder_work(shapes: Shapes, latent: Cells) -> int:
    """Operations of one picture through an autoencoder's decoder.

    Args:
        shapes: the autoencoder's tensors by their names in it.
        latent: height and width in latent cells.
    """
    cells, top = latent[0] * latent[1], shapes.count("decoder.up") - 1
    work = 0
    for name, shape in shapes.items():
        if len(shape) < 2 or not name.startswith(("decoder.", "post_quant_conv.")):
            continue
        level = int(name.split(".")[2]) if name.startswith("decoder.up.") else top
        times = top - level + (".upsample." in name)
        if name.startswith(("decoder.conv_out.", "decoder.norm_out.")):
            times = top
        positions = cells * 4**times
        looking = 4 * positions**2 * shape[0] if name.endswith("attn_1.q.weight") else 0
        work += 2 * prod(shape) * positions + looking
    return work
