"""Work: floating-point operations of a network, counted from its tensors' names and shapes alone.

A product of an m x k and a k x n matrix is 2 m k n operations; norms, activations and sums are not counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from gesso.checkpoint.shapes import Shapes

__all__ = ["decoder_work", "largest_looking", "tiny_decoder_work", "unet_work"]

Cells = tuple[int, int]
ONCE = ("emb_layers.", "time_embed.", "label_emb.")
"""Layers of a UNet that are given one vector for the whole picture."""
TOLD = ("attn2.to_k.", "attn2.to_v.")
"""Those that are given the prompt's tokens."""


@dataclass(frozen=True)
class _Load:
    """What a UNet's layers are given.

    Args:
        places: the map of each block, and of what an output block leads up to; "" is the whole picture.
        tokens: of the prompt.
        merging: blocks whose tokens are merged before they look at one another.
        merged: share of their tokens that others look for.
    """

    places: Mapping[str, Cells]
    tokens: int
    merging: frozenset[str]
    merged: float


@lru_cache(maxsize=64)
def unet_work(shapes: Shapes, latent: Cells, tokens: int = 77, *, merged: float = 0.0, depth: int = 0) -> int:
    """Operations of one row through a UNet.

    Args:
        shapes: its tensors by their names in it.
        latent: height and width in latent cells.
        tokens: of the prompt.
        merged: share of the largest map's tokens that are merged away before they look at one another.
        depth: only of what lies within so many blocks on the way down and as many on the way up.
    """
    merging = largest_looking(shapes) if merged else frozenset[str]()
    load = _Load(_unet_places(shapes, latent), tokens, merging, merged)
    end = shapes.count("output_blocks") - depth
    inner = ((name, shape) for name, shape in shapes.items() if not depth or _inner(name, depth, end))
    return sum(_unet_layer(name, shape, load) for name, shape in inner)


def largest_looking(shapes: Shapes) -> frozenset[str]:
    """The blocks of a UNet that look at the picture where it is largest.

    Args:
        shapes: its tensors by their names in it.
    """
    places = _unet_places(shapes, (2**16, 2**16))
    blocks = {_block(name) for name in shapes if name.endswith(".attn1.to_q.weight")}
    return frozenset(each for each in blocks if places[each] == max(places[block] for block in blocks))


def _inner(name: str, depth: int, end: int) -> bool:
    top, _, rest = name.partition(".")
    number = rest.partition(".")[0]
    down, up = top == "input_blocks" and int(number) >= depth, top == "output_blocks" and int(number) < end
    return down or up or top == "middle_block"


def _block(name: str) -> str:
    return ".".join(name.split(".")[:2])


def _unet_layer(name: str, shape: tuple[int, ...], load: _Load) -> int:
    if len(shape) < 2:
        return 0
    block = _block(name)
    place = load.places.get(block, load.places[""])
    if name.endswith(".conv.weight"):
        place = load.places[f"{block}.up"]
    positions = 1 if any(each in name for each in ONCE) else prod(place)
    matching = 0
    if block in load.merging and ".attn1.to_" in name and ".to_out." not in name:
        kept = -(-place[0] // 2) * -(-place[1] // 2)
        matching = 2 * kept * (positions - kept) * shape[1] if name.endswith(".to_q.weight") else 0
        positions -= min(int(load.merged * positions), positions - kept)
    looked = load.tokens if "attn2." in name else positions
    looking = 4 * positions * looked * shape[0] if name.endswith(".to_q.weight") else 0
    if any(each in name for each in TOLD):
        positions = load.tokens
    return 2 * prod(shape) * positions + looking + matching


def _unet_places(shapes: Shapes, latent: Cells) -> dict[str, Cells]:
    """The map of each block's output, and of what an output block leads up to; "" is the whole picture."""
    height, width = latent
    found = {"": latent}
    down: list[Cells] = []
    for i in range(shapes.count("input_blocks")):
        if f"input_blocks.{i}.0.op.weight" in shapes:
            height, width = -(-height // 2), -(-width // 2)
        down.append((height, width))
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


def tiny_decoder_work(shapes: Shapes, latent: Cells) -> int:
    """Operations of one picture through a tiny decoder.

    Args:
        shapes: its tensors by their names in it, such as 3.conv.0.weight.
        latent: height and width in latent cells.
    """
    weights = {name: shape for name, shape in shapes.items() if len(shape) == 4}
    # a convolution without a bias stands behind a doubling
    doubled = sorted(
        _place(name) for name in weights if f"{_place(name)}.weight" == name and _bare(name, shapes)
    )
    work = 0
    for name, shape in weights.items():
        times = sum(place <= _place(name) for place in doubled)
        work += 2 * prod(shape) * prod(latent) * 4**times
    return work


def _place(name: str) -> int:
    return int(name.partition(".")[0])


def _bare(name: str, shapes: Shapes) -> bool:
    return name.replace("weight", "bias") not in shapes
