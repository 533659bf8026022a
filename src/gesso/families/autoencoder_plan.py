"""The tensors of an autoencoder, worked out from a few numbers.

Source: the layout of the `first_stage_model.` tensors in the published checkpoint files.
"""

from dataclasses import dataclass

from gesso.families.layers import Tensors, weights

__all__ = ["AutoencoderPlan", "autoencoder_shapes", "tiny_decoder_shapes", "tiny_encoder_shapes"]


@dataclass(frozen=True, slots=True)
class AutoencoderPlan:
    """How an autoencoder is built; the defaults are those of every published family.

    Args:
        channels: of a picture.
        latents: channels of its latents.
        width: channels at the size of the picture.
        multipliers: each level's width as a multiple of `width`; the size halves between levels.
        blocks: residual blocks per level of the encoder; the decoder has one more.
        attention: whether the middle attends.
        quantised: whether a 1 x 1 convolution stands on either side of the latents.
    """

    channels: int = 3
    latents: int = 4
    width: int = 128
    multipliers: tuple[int, ...] = (1, 2, 4, 4)
    blocks: int = 2
    attention: bool = True
    quantised: bool = True


def autoencoder_shapes(plan: AutoencoderPlan) -> dict[str, tuple[int, ...]]:
    """Every tensor of an autoencoder, named relative to it."""
    return dict(autoencoder_tensors(plan))


def autoencoder_tensors(plan: AutoencoderPlan) -> Tensors:
    """The autoencoder's tensors, encoder first."""
    widths = [plan.width * multiplier for multiplier in plan.multipliers]
    moments = 2 * plan.latents
    yield from encoder_tensors(plan, widths)
    yield from decoder_tensors(plan, widths)
    if plan.quantised:
        yield from weights("quant_conv", moments, moments, 1, 1)
        yield from weights("post_quant_conv", plan.latents, plan.latents, 1, 1)


def encoder_tensors(plan: AutoencoderPlan, widths: list[int]) -> Tensors:
    """The encoder, from the most pixels to the fewest."""
    before = plan.width
    yield from weights("encoder.conv_in", before, plan.channels, 3, 3)
    for level, width in enumerate(widths):
        name = f"encoder.down.{level}"
        for i in range(plan.blocks):
            yield from picture_block_tensors(f"{name}.block.{i}", before, width)
            before = width
        if level + 1 < len(widths):
            yield from weights(f"{name}.downsample.conv", width, width, 3, 3)
    yield from picture_middle_tensors("encoder.mid", before, attention=plan.attention)
    yield from weights("encoder.norm_out", before)
    yield from weights("encoder.conv_out", 2 * plan.latents, before, 3, 3)


def decoder_tensors(plan: AutoencoderPlan, widths: list[int]) -> Tensors:
    """The decoder, from the fewest pixels to the most; its levels count from the most."""
    before = widths[-1]
    yield from weights("decoder.conv_in", before, plan.latents, 3, 3)
    yield from picture_middle_tensors("decoder.mid", before, attention=plan.attention)
    for level, width in reversed([*enumerate(widths)]):
        name = f"decoder.up.{level}"
        for i in range(plan.blocks + 1):
            yield from picture_block_tensors(f"{name}.block.{i}", before, width)
            before = width
        if level:
            yield from weights(f"{name}.upsample.conv", width, width, 3, 3)
    yield from weights("decoder.norm_out", before)
    yield from weights("decoder.conv_out", plan.channels, before, 3, 3)


def picture_block_tensors(name: str, before: int, width: int) -> Tensors:
    """One residual block of the autoencoder."""
    yield from weights(f"{name}.norm1", before)
    yield from weights(f"{name}.conv1", width, before, 3, 3)
    yield from weights(f"{name}.norm2", width)
    yield from weights(f"{name}.conv2", width, width, 3, 3)
    if before != width:
        yield from weights(f"{name}.nin_shortcut", width, before, 1, 1)


def picture_middle_tensors(name: str, width: int, *, attention: bool) -> Tensors:
    """The autoencoder's deepest level."""
    yield from picture_block_tensors(f"{name}.block_1", width, width)
    if attention:
        yield from weights(f"{name}.attn_1.norm", width)
        for part in ("q", "k", "v", "proj_out"):
            yield from weights(f"{name}.attn_1.{part}", width, width, 1, 1)
    yield from picture_block_tensors(f"{name}.block_2", width, width)


def tiny_decoder_shapes(
    width: int = 64, latents: int = 4, blocks: tuple[int, ...] = (3, 3, 3, 1)
) -> dict[str, tuple[int, ...]]:
    """Every tensor of a tiny decoder, named as in its own file.

    Args:
        blocks: how many there are at each size, from the fewest pixels to the most.

    Source: madebyollin/taesd, `taesd_decoder.safetensors`.
    """
    found = dict(weights("1", width, latents, 3, 3))
    at = 3
    for level, count in enumerate(blocks):
        last = level + 1 == len(blocks)
        for i in range(at, at + count):
            found |= dict(tiny_block_tensors(f"{i}", width))
        # a doubling has no tensors, but a number
        at += count + (0 if last else 1)
        found |= dict(weights(f"{at}", 3 if last else width, width, 3, 3, bias=last))
        at += 1
    return found


def tiny_encoder_shapes(
    width: int = 64, latents: int = 4, blocks: tuple[int, ...] = (1, 3, 3, 3)
) -> dict[str, tuple[int, ...]]:
    """Every tensor of a tiny encoder, named as in its own file.

    Args:
        blocks: how many there are at each size, from the most pixels to the fewest.

    Source: madebyollin/taesd, `taesd_encoder.safetensors`.
    """
    found: dict[str, tuple[int, ...]] = {}
    at = 0
    for level, count in enumerate(blocks):
        found |= dict(weights(f"{at}", width, width if level else 3, 3, 3, bias=not level))
        for i in range(at + 1, at + 1 + count):
            found |= dict(tiny_block_tensors(f"{i}", width))
        at += 1 + count
    return found | dict(weights(f"{at}", latents, width, 3, 3))


def tiny_block_tensors(name: str, width: int) -> Tensors:
    """One block of a tiny autoencoder."""
    for place in (0, 2, 4):
        yield from weights(f"{name}.conv.{place}", width, width, 3, 3)
