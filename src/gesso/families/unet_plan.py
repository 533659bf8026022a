"""The tensors of a UNet, worked out from a few numbers.

Source: the layout of the `model.diffusion_model.` tensors in the published checkpoint files.
"""

from dataclasses import dataclass

from gesso.families.layers import Tensors, weights

__all__ = ["UNetPlan", "unet_shapes"]


@dataclass(frozen=True, slots=True)
class UNetPlan:
    """How a UNet is built.

    Args:
        in_channels: 4 latents; 9 with a mask and a masked picture; 8 with a picture.
        out_channels: what it predicts, 4 latents.
        width: channels at the size of the latents.
        multipliers: each level's width, from the most pixels to the fewest, as a multiple of `width`.
        blocks: residual blocks per level on the way down; one more on the way up.
        depths: transformer blocks after each residual block, per level; 0 for no transformer.
        depths_up: the same for every output block in the file's order, where it is not as on the way down.
        middle: transformer blocks in the middle; 0 leaves a single residual block, None nothing at all.
        context: width of the prompt's tokens.
        vector: width of the vector condition, None without one.
        linear: whether linear layers lead into and out of the transformers, as in every family after v1.
    """

    in_channels: int = 4
    out_channels: int = 4
    width: int = 320
    multipliers: tuple[int, ...] = (1, 2, 4, 4)
    blocks: int = 2
    depths: tuple[int, ...] = (1, 1, 1, 0)
    depths_up: tuple[int, ...] = ()
    middle: int | None = 1
    context: int = 768
    vector: int | None = None
    linear: bool = False


def unet_shapes(plan: UNetPlan) -> dict[str, tuple[int, ...]]:
    """Every tensor of a UNet, named relative to it."""
    return dict(unet_tensors(plan))


def unet_tensors(plan: UNetPlan) -> Tensors:
    """The UNet's tensors from input to output."""
    emb = 4 * plan.width
    yield from weights("time_embed.0", emb, plan.width)
    yield from weights("time_embed.2", emb, emb)
    if plan.vector is not None:
        yield from weights("label_emb.0.0", emb, plan.vector)
        yield from weights("label_emb.0.2", emb, emb)
    skips: list[int] = []
    yield from input_tensors(plan, skips)
    yield from middle_tensors(plan)
    yield from output_tensors(plan, skips)
    yield from weights("out.0", plan.width)
    yield from weights("out.2", plan.out_channels, plan.width, 3, 3)


def input_tensors(plan: UNetPlan, skips: list[int]) -> Tensors:
    """The way down; the width that each block leaves for the way up is added to `skips`."""
    yield from weights("input_blocks.0.0", plan.width, plan.in_channels, 3, 3)
    skips.append(plan.width)
    for level, multiplier in enumerate(plan.multipliers):
        width = plan.width * multiplier
        for _ in range(plan.blocks):
            name = f"input_blocks.{len(skips)}"
            yield from residual_tensors(f"{name}.0", skips[-1], width, 4 * plan.width)
            yield from transformer_tensors(plan, f"{name}.1", width, plan.depths[level])
            skips.append(width)
        if level + 1 < len(plan.multipliers):
            yield from weights(f"input_blocks.{len(skips)}.0.op", width, width, 3, 3)
            skips.append(width)


def middle_tensors(plan: UNetPlan) -> Tensors:
    """The deepest level."""
    if plan.middle is None:
        return
    width = plan.width * plan.multipliers[-1]
    yield from residual_tensors("middle_block.0", width, width, 4 * plan.width)
    if plan.middle:
        yield from transformer_tensors(plan, "middle_block.1", width, plan.middle)
        yield from residual_tensors("middle_block.2", width, width, 4 * plan.width)


def output_tensors(plan: UNetPlan, skips: list[int]) -> Tensors:
    """The way up, which uses up the widths in `skips`."""
    before, i = skips[-1], 0
    for level, multiplier in reversed([*enumerate(plan.multipliers)]):
        width = plan.width * multiplier
        for last in [False] * plan.blocks + [True]:
            name = f"output_blocks.{i}"
            depth = plan.depths_up[i] if plan.depths_up else plan.depths[level]
            yield from residual_tensors(f"{name}.0", before + skips.pop(), width, 4 * plan.width)
            yield from transformer_tensors(plan, f"{name}.1", width, depth)
            if last and level:
                yield from weights(f"{name}.{2 if depth else 1}.conv", width, width, 3, 3)
            before, i = width, i + 1


def residual_tensors(name: str, before: int, width: int, emb: int) -> Tensors:
    """One residual block of the UNet."""
    yield from weights(f"{name}.in_layers.0", before)
    yield from weights(f"{name}.in_layers.2", width, before, 3, 3)
    yield from weights(f"{name}.emb_layers.1", width, emb)
    yield from weights(f"{name}.out_layers.0", width)
    yield from weights(f"{name}.out_layers.3", width, width, 3, 3)
    if before != width:
        yield from weights(f"{name}.skip_connection", width, before, 1, 1)


def transformer_tensors(plan: UNetPlan, name: str, width: int, depth: int) -> Tensors:
    """The transformer after a residual block; nothing at depth 0."""
    if not depth:
        return
    around = (width, width) if plan.linear else (width, width, 1, 1)
    yield from weights(f"{name}.norm", width)
    yield from weights(f"{name}.proj_in", *around)
    for i in range(depth):
        block = f"{name}.transformer_blocks.{i}"
        yield from attention_tensors(f"{block}.attn1", width, width)
        yield from weights(f"{block}.ff.net.0.proj", 8 * width, width)
        yield from weights(f"{block}.ff.net.2", width, 4 * width)
        yield from attention_tensors(f"{block}.attn2", width, plan.context)
        for norm in ("norm1", "norm2", "norm3"):
            yield from weights(f"{block}.{norm}", width)
    yield from weights(f"{name}.proj_out", *around)


def attention_tensors(name: str, width: int, context: int) -> Tensors:
    """One attention of the UNet."""
    yield from weights(f"{name}.to_q", width, width, bias=False)
    yield from weights(f"{name}.to_k", width, context, bias=False)
    yield from weights(f"{name}.to_v", width, context, bias=False)
    yield from weights(f"{name}.to_out.0", width, width)
