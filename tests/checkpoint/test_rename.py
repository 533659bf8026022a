from collections.abc import Iterator, Mapping

import pytest

from gesso.checkpoint.rename import (
    autoencoder_names,
    inverse,
    renamed,
    unet_names,
    unet_names_of_original,
)
from gesso.checkpoint.shapes import Shapes
from gesso.families.autoencoder_plan import AutoencoderPlan, autoencoder_shapes
from gesso.families.blueprint import SD1, SD2, SDXL, SDXL_REFINER, SSD_1B, VEGA, CheckpointPlan
from gesso.families.unet_plan import unet_shapes

PLANS = {"SD1": SD1, "SD2": SD2, "SDXL": SDXL, "refiner": SDXL_REFINER, "SSD-1B": SSD_1B, "Vega": VEGA}

LAYER = ("weight", "bias")
INNER = ("norm1", "conv1", "time_emb_proj", "norm2", "conv2")
BLOCK = (*("norm1", "norm2", "norm3", "attn1.to_out.0", "attn2.to_out.0", "ff.net.0.proj", "ff.net.2"),)
UNBIASED = tuple(f"attn{i}.to_{x}" for i in (1, 2) for x in "qkv")


def diffusers_unet(levels: list[int], *, vector: bool) -> Iterator[str]:
    """The names diffusers gives: written down anew, level by level, from its UNet2DConditionModel."""
    yield from _layers("conv_in", "conv_norm_out", "conv_out", *_pair("time_embedding"))
    yield from _layers(*_pair("add_embedding")) if vector else ()
    last = len(levels) - 1
    for level, depth in enumerate(levels):
        for i in range(2):
            wider = i == 0 and level in (1, 2)
            yield from _resnet(f"down_blocks.{level}.resnets.{i}", shortcut=wider)
            yield from _attention(f"down_blocks.{level}.attentions.{i}", depth)
        yield from _layers(f"down_blocks.{level}.downsamplers.0.conv") if level < last else ()
    for level, depth in enumerate(reversed(levels)):
        for i in range(3):
            yield from _resnet(f"up_blocks.{level}.resnets.{i}", shortcut=True)
            yield from _attention(f"up_blocks.{level}.attentions.{i}", depth)
        yield from _layers(f"up_blocks.{level}.upsamplers.0.conv") if level < last else ()
    for i in range(2):
        yield from _resnet(f"mid_block.resnets.{i}", shortcut=False)


def _pair(name: str) -> tuple[str, str]:
    return f"{name}.linear_1", f"{name}.linear_2"


def _layers(*names: str) -> Iterator[str]:
    return (f"{name}.{end}" for name in names for end in LAYER)


def _resnet(name: str, *, shortcut: bool) -> Iterator[str]:
    return _layers(*(f"{name}.{inner}" for inner in (*INNER, *(["conv_shortcut"] if shortcut else []))))


def _attention(name: str, depth: int) -> Iterator[str]:
    if not depth:
        return
    yield from _layers(f"{name}.norm", f"{name}.proj_in", f"{name}.proj_out")
    for i in range(depth):
        yield from _layers(*(f"{name}.transformer_blocks.{i}.{inner}" for inner in BLOCK))
        yield from (f"{name}.transformer_blocks.{i}.{inner}.weight" for inner in UNBIASED)


@pytest.mark.parametrize(
    ("plan", "levels", "middle", "vector"),
    [
        (SD1, [1, 1, 1, 0], 1, False),
        (SD2, [1, 1, 1, 0], 1, False),
        (SDXL, [0, 2, 10], 10, True),
        (SDXL_REFINER, [0, 4, 4, 0], 4, True),
        (VEGA, [0, 1, 2], 0, True),
    ],
)
def test_diffusers_names_become_exactly_the_original_ones(
    plan: CheckpointPlan, levels: list[int], middle: int, vector: bool
) -> None:
    names = [*diffusers_unet(levels, vector=vector), *_attention("mid_block.attentions.0", middle)]
    if not middle:
        names = [name for name in names if not name.startswith("mid_block.resnets.1.")]
    table = unet_names(Shapes(dict.fromkeys(names, ())))
    found = {renamed(name, table) for name in names}
    assert found == set(unet_shapes(plan.unet))


@pytest.mark.parametrize("kind", PLANS)
def test_the_map_reads_in_both_directions(kind: str) -> None:
    ours = Shapes(unet_shapes(PLANS[kind].unet))
    back = inverse(unet_names_of_original(ours))
    theirs = {name: renamed(name, back) for name in ours}
    assert None not in theirs.values()
    assert len(set(theirs.values())) == len(ours)
    table = unet_names(Shapes({str(name): () for name in theirs.values()}))
    assert all(renamed(str(there), table) == name for name, there in theirs.items())


@pytest.mark.parametrize("multipliers", [(1, 2, 4, 4), (1, 2), (1, 1, 2)])
def test_the_autoencoders_map_is_complete_and_one_to_one(multipliers: tuple[int, ...]) -> None:
    names = autoencoder_names(len(multipliers))
    back = inverse(names)
    assert len(back) == len(names)
    ours = autoencoder_shapes(AutoencoderPlan(multipliers=multipliers))
    theirs = {name: renamed(name, back) for name in ours}
    assert None not in theirs.values()
    assert all(renamed(str(there), names) == name for name, there in theirs.items())


def test_the_autoencoder_counts_upwards_from_the_finest() -> None:
    names = autoencoder_names(4)
    pairs: Mapping[str, str] = {
        "decoder.up_blocks.0.resnets.2.conv_shortcut.weight": "decoder.up.3.block.2.nin_shortcut.weight",
        "decoder.up_blocks.2.upsamplers.0.conv.bias": "decoder.up.1.upsample.conv.bias",
        "encoder.down_blocks.2.downsamplers.0.conv.bias": "encoder.down.2.downsample.conv.bias",
        "encoder.mid_block.attentions.0.to_out.0.weight": "encoder.mid.attn_1.proj_out.weight",
        "decoder.mid_block.resnets.1.norm2.bias": "decoder.mid.block_2.norm2.bias",
        "encoder.conv_norm_out.weight": "encoder.norm_out.weight",
    }
    assert {name: renamed(name, names) for name in pairs} == pairs


def test_older_names_of_the_autoencoders_attention() -> None:
    names = autoencoder_names(4, old=True)
    old = {"query": "q", "key": "k", "value": "v", "proj_attn": "proj_out", "group_norm": "norm"}
    for theirs, ours in old.items():
        found = renamed(f"decoder.mid_block.attentions.0.{theirs}.weight", names)
        assert found == f"decoder.mid.attn_1.{ours}.weight"


def test_unknown_names_are_not_guessed() -> None:
    assert renamed("something.else.weight", autoencoder_names(4)) is None
    assert renamed("nodots", autoencoder_names(4)) is None
