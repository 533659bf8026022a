"""Block weights: how strongly a LoRA acts in each block of the UNet.

Source: hako-mikan/sd-webui-lora-block-weight, whose names and orders of blocks everybody uses: BASE (text
encoders), IN00 to IN11, M00, OUT00 to OUT11, all of them or only those that look at the prompt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gesso.adapters.site import Site, Target
from gesso.checkpoint.shapes import Shapes
from gesso.errors import RequestError

__all__ = ["Strength", "block_of", "block_weights"]


def block_of(site: Site) -> str:
    """The name of the block that a place is in; BASE for what is outside of all."""
    top, _, rest = site.weight.partition(".")
    number = rest.partition(".")[0]
    if site.part == "unet" and top == "input_blocks":
        return f"IN{int(number):02d}"
    if site.part == "unet" and top == "output_blocks":
        return f"OUT{int(number):02d}"
    return "M00" if site.part == "unet" and top == "middle_block" else "BASE"


def block_weights(given: Sequence[float] | Mapping[str, float], target: Target) -> dict[str, float]:
    """Weights by block.

    Args:
        given: by name, 1 where left out; or a list for all blocks, or for those that look at the prompt.

    Raises:
        RequestError: no such block, or a list of another length.
    """
    every, looking = _blocks(target.parts["unet"])
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in every]
        if unknown:
            raise RequestError(
                f"blocks must be of {target.name}, however: {unknown[0]!r}",
                hint=f"its blocks: {', '.join(every)}",
            )
        return dict(given)
    for names in (looking, every):
        if len(names) == len(given):
            return dict(zip(names, given, strict=True))
    raise RequestError(
        f"block weights must be {len(looking)} or {len(every)} for {target.name}, however: {len(given)}",
        hint=f"in this order: {', '.join(looking)}",
    )


def _blocks(unet: Shapes) -> tuple[list[str], list[str]]:
    """All blocks, and those that look at the prompt, in the order in which the network runs them."""
    every, looking = ["BASE"], ["BASE"]
    for top, label, count in (
        ("input_blocks", "IN", unet.count("input_blocks")),
        ("middle_block", "M", 1),
        ("output_blocks", "OUT", unet.count("output_blocks")),
    ):
        for i in range(count):
            place = f"{top}.1." if top == "middle_block" else f"{top}.{i}.1."
            every.append(f"{label}{i:02d}")
            if f"{place}transformer_blocks.0.norm1.weight" in unet:
                looking.append(every[-1])
    return every, looking


@dataclass(frozen=True)
class Strength:
    """How strongly a LoRA acts at each place.

    Args:
        unet: in the network that removes the noise.
        text: in text encoders.
        blocks: a factor by block.
    """

    unet: float = 1.0
    text: float = 1.0
    blocks: Mapping[str, float] = field(default_factory=dict[str, float])

    def __call__(self, site: Site) -> float:
        """At one place."""
        part = self.unet if site.part == "unet" else self.text
        return part * self.blocks.get(block_of(site), 1.0)
