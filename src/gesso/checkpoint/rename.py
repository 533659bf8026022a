"""The only key map: how diffusers names the tensors of networks, and how the original does.

Both name the same tensors. Diffusers counts blocks within each resolution (`down_blocks.1.attentions.0`), the
original counts them through (`input_blocks.4.1`); so a map is worked out for each file from how many blocks
its resolutions have. Every map is a table of prefixes that reads in both directions.

Source: the state dicts of diffusers' UNet2DConditionModel, ControlNetModel and AutoencoderKL, and CompVis'
openaimodel.py and model.py, which build the same layers in the same order; lllyasviel/ControlNet's cldm.py.
"""

from collections.abc import Iterator, Mapping

from gesso.checkpoint.shapes import Shapes

__all__ = [
    "autoencoder_names",
    "control_net_names",
    "inverse",
    "open_clip_names",
    "renamed",
    "unet_names",
    "unet_names_of_original",
]

Names = Mapping[str, str]
"""Prefix in diffusers' naming → prefix in the original naming, each with its dot."""

UNET_ENDS = {
    "conv_in.": "input_blocks.0.0.",
    "time_embedding.linear_1.": "time_embed.0.",
    "time_embedding.linear_2.": "time_embed.2.",
    "time_embedding.cond_proj.": "time_embed.cond_proj.",
    "conv_norm_out.": "out.0.",
    "conv_out.": "out.2.",
}
VECTOR = {"linear_1.": "label_emb.0.0.", "linear_2.": "label_emb.0.2."}
RESNET = {
    "norm1.": "in_layers.0.",
    "conv1.": "in_layers.2.",
    "time_emb_proj.": "emb_layers.1.",
    "norm2.": "out_layers.0.",
    "conv2.": "out_layers.3.",
    "conv_shortcut.": "skip_connection.",
}
AUTOENCODER_RESNET = {
    "norm1.": "norm1.",
    "conv1.": "conv1.",
    "norm2.": "norm2.",
    "conv2.": "conv2.",
    "conv_shortcut.": "nin_shortcut.",
}
AUTOENCODER_ATTENTION = {
    "group_norm.": "norm.",
    "to_q.": "q.",
    "to_k.": "k.",
    "to_v.": "v.",
    "to_out.0.": "proj_out.",
}
OPEN_CLIP_ENDS = {
    "text_model.embeddings.token_embedding.": "token_embedding.",
    "text_model.final_layer_norm.": "ln_final.",
}
OPEN_CLIP_BLOCK = {
    "self_attn.out_proj.": "attn.out_proj.",
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
}
AUTOENCODER_ATTENTION_BEFORE_0_13 = {"query.": "q.", "key.": "k.", "value.": "v.", "proj_attn.": "proj_out."}


def unet_names(shapes: Shapes) -> Names:
    """The map for a UNet in diffusers' naming."""
    down = [shapes.count(f"down_blocks.{i}.resnets") for i in range(shapes.count("down_blocks"))]
    up = [shapes.count(f"up_blocks.{i}.resnets") for i in range(shapes.count("up_blocks"))]
    attended = [shapes.count(f"up_blocks.{i}.attentions") == count for i, count in enumerate(up)]
    vector = "class_embedding." if "class_embedding.linear_1.weight" in shapes else "add_embedding."
    return _unet(down, up, attended, vector)


def control_net_names(shapes: Shapes) -> Names:
    """The map for a ControlNet in diffusers' naming: a UNet's way down, and the hint's way in and out."""
    hint = "controlnet_cond_embedding."
    blocks = shapes.count(f"{hint}blocks")
    names = {f"{hint}conv_in.": "input_hint_block.0.", "controlnet_mid_block.": "middle_block_out.0."}
    names |= {f"{hint}blocks.{i}.": f"input_hint_block.{2 * i + 2}." for i in range(blocks)}
    names[f"{hint}conv_out."] = f"input_hint_block.{2 * blocks + 2}."
    outputs = range(shapes.count("controlnet_down_blocks"))
    names |= {f"controlnet_down_blocks.{i}.": f"zero_convs.{i}.0." for i in outputs}
    return {**unet_names(shapes), **names}


def unet_names_of_original(shapes: Shapes) -> Names:
    """The map for a UNet in the original naming, by its block counts; the same as for its other naming."""
    down, up, attended = [0], [0], [False]
    for i in range(1, shapes.count("input_blocks")):
        if f"input_blocks.{i}.0.op.weight" in shapes:
            down.append(0)
        else:
            down[-1] += 1
    for i in range(shapes.count("output_blocks")):
        up[-1] += 1
        attended[-1] = f"output_blocks.{i}.1.norm.weight" in shapes
        if any(f"output_blocks.{i}.{place}.conv.weight" in shapes for place in (1, 2)):
            up.append(0)
            attended.append(False)
    return _unet(down, up, attended, "add_embedding.")


def _unet(down: list[int], up: list[int], attended: list[bool], vector: str) -> Names:
    names = UNET_ENDS | {vector + theirs: ours for theirs, ours in VECTOR.items()}
    names |= {"class_embedding.": "label_emb."} if vector == "add_embedding." else {}
    names |= dict(_down_blocks(down)) | dict(_up_blocks(up, attended))
    names |= dict(_inner("mid_block.resnets.0.", "middle_block.0.", RESNET))
    names |= {"mid_block.attentions.0.": "middle_block.1."}
    return names | dict(_inner("mid_block.resnets.1.", "middle_block.2.", RESNET))


def _down_blocks(resnets: list[int]) -> Iterator[tuple[str, str]]:
    place = 1
    for level, count in enumerate(resnets):
        for i in range(count):
            yield from _inner(f"down_blocks.{level}.resnets.{i}.", f"input_blocks.{place}.0.", RESNET)
            yield f"down_blocks.{level}.attentions.{i}.", f"input_blocks.{place}.1."
            place += 1
        yield f"down_blocks.{level}.downsamplers.0.conv.", f"input_blocks.{place}.0.op."
        place += 1


def _up_blocks(resnets: list[int], attended: list[bool]) -> Iterator[tuple[str, str]]:
    place = 0
    for level, (count, attention) in enumerate(zip(resnets, attended, strict=True)):
        for i in range(count):
            yield from _inner(f"up_blocks.{level}.resnets.{i}.", f"output_blocks.{place}.0.", RESNET)
            yield f"up_blocks.{level}.attentions.{i}.", f"output_blocks.{place}.1."
            place += 1
        # The upsampler stands behind the last block's attention, or in its place.
        after = 2 if attention else 1
        yield f"up_blocks.{level}.upsamplers.0.conv.", f"output_blocks.{place - 1}.{after}.conv."


def _inner(theirs: str, ours: str, table: Names) -> Iterator[tuple[str, str]]:
    return ((theirs + a, ours + b) for a, b in table.items())


def autoencoder_names(levels: int, *, old: bool = False) -> Names:
    """The map for an autoencoder.

    Args:
        levels: how many resolutions it has.
        old: whether attention is named as diffusers before 0.13 named it.
    """
    names = {"quant_conv.": "quant_conv.", "post_quant_conv.": "post_quant_conv."}
    for half, blocks, steps in (("encoder", "down", "downsample"), ("decoder", "up", "upsample")):
        names |= {f"{half}.{end}.": f"{half}.{end}." for end in ("conv_in", "conv_out")}
        names[f"{half}.conv_norm_out."] = f"{half}.norm_out."
        for level in range(levels):
            # The original counts resolutions from the finest in both halves.
            ours = f"{half}.{blocks}.{level if half == 'encoder' else levels - 1 - level}."
            theirs = f"{half}.{blocks}_blocks.{level}."
            names[f"{theirs}{steps}rs.0."] = f"{ours}{steps}."
            names |= _numbered(f"{theirs}resnets.", f"{ours}block.")
        names |= dict(_autoencoder_middle(half, old=old))
    return names


def _numbered(theirs: str, ours: str) -> Names:
    pairs = (_inner(f"{theirs}{i}.", f"{ours}{i}.", AUTOENCODER_RESNET) for i in range(9))
    return {a: b for inner in pairs for a, b in inner}


def _autoencoder_middle(half: str, *, old: bool) -> Iterator[tuple[str, str]]:
    theirs, ours = f"{half}.mid_block.", f"{half}.mid."
    yield from _inner(f"{theirs}resnets.0.", f"{ours}block_1.", AUTOENCODER_RESNET)
    yield from _inner(f"{theirs}resnets.1.", f"{ours}block_2.", AUTOENCODER_RESNET)
    attention = AUTOENCODER_ATTENTION | (AUTOENCODER_ATTENTION_BEFORE_0_13 if old else {})
    yield from _inner(f"{theirs}attentions.0.", f"{ours}attn_1.", attention)


def open_clip_names(blocks: int) -> Names:
    """The map from Hugging Face's naming of a text encoder to OpenCLIP's own.

    Queries, keys and values are not in it: OpenCLIP packs them into one tensor, `attn.in_proj_weight`.

    Args:
        blocks: how many blocks it has.

    Source: the state dicts of transformers' CLIPTextModelWithProjection and open_clip's TextTransformer.
    """
    pairs = (
        _inner(f"text_model.encoder.layers.{i}.", f"transformer.resblocks.{i}.", OPEN_CLIP_BLOCK)
        for i in range(blocks)
    )
    return OPEN_CLIP_ENDS | {a: b for inner in pairs for a, b in inner}


def inverse(names: Names) -> Names:
    """The map from the original names to diffusers'."""
    return {ours: theirs for theirs, ours in names.items()}


def renamed(name: str, names: Names) -> str | None:
    """A tensor's name in the other naming; None if the map does not know it."""
    dots = [i + 1 for i, letter in enumerate(name) if letter == "."]
    for cut in reversed(dots):
        if name[:cut] in names:
            return names[name[:cut]] + name[cut:]
    return None
