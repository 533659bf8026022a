"""A misfit is refused by its key and both sizes; an adapter's features have their published places."""

from pathlib import Path

import pytest

from gesso.checkpoint.shapes import Shapes
from gesso.control.base import Base
from gesso.control.fit import (
    adapter_places,
    check_adapter,
    check_control_net,
    check_head,
    check_lite,
    layer_cell,
)
from gesso.errors import DoesNotFit
from gesso.families.blueprint import SD1, SD2, SDXL
from gesso.families.unet_plan import UNetPlan, unet_shapes
from gesso.networks.control_net import control_net_shapes
from tests.control.made import lite_shapes

PATH = Path("c.safetensors")
CELLS = (8, 16, 32, 64)


def base_of(plan: UNetPlan, name: str = "the model") -> Base:
    return Base(name, Shapes(unet_shapes(plan)), lambda width: width // 64)


@pytest.mark.parametrize(
    ("plan", "places"), [(SD1.unet, (2, 5, 8, 11)), (SD2.unet, (2, 5, 8, 11)), (SDXL.unet, (3, 5, 8, 9))]
)
def test_features_go_where_the_published_code_puts_them(plan: UNetPlan, places: tuple[int, ...]) -> None:
    assert adapter_places(base_of(plan)) == places


@pytest.mark.parametrize(
    ("plan", "cells"), [(SD1.unet, CELLS), (SD2.unet, CELLS), (SDXL.unet, (16, 16, 32, 32))]
)
def test_its_own_fits(plan: UNetPlan, cells: tuple[int, ...]) -> None:
    base = base_of(plan)
    check_control_net(PATH, control_net_shapes(base.unet), base)
    widths = [base.widths[place] for place in adapter_places(base)]
    check_adapter(PATH, tuple(zip(widths, cells, strict=True)), base)
    layers = {name: size for name, size in base.unet.items() if name.endswith("attn1.to_q.weight")}
    for name, size in layers.items():
        check_lite(PATH, lite_shapes({name: size}, layer_cell(name, base)), base)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            {"input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 2048)},
            "context of 2048.*has 768",
        ),
        ({"label_emb.0.0.weight": (1280, 2816)}, "vector of 2816, the model has None"),
        ({"input_blocks.0.0.weight": (320, 9, 3, 3)}, "9 channels of latents, the model has 4"),
    ],
)
def test_the_key_and_both_sizes_are_said(wrong: dict[str, tuple[int, ...]], says: str) -> None:
    base = base_of(SD1.unet)
    with pytest.raises(DoesNotFit, match=f"must fit the model, however: {next(iter(wrong))}.*{says}"):
        check_control_net(PATH, control_net_shapes(base.unet) | wrong, base)


def test_other_widths_and_depths_are_refused() -> None:
    base = base_of(SD1.unet)
    narrow = control_net_shapes(unet_shapes(UNetPlan(width=160)))
    with pytest.raises(DoesNotFit, match=r"zero_convs\.0\.0\.weight adds 160 channels, the model has 320"):
        check_control_net(PATH, narrow, base)
    short = control_net_shapes(unet_shapes(UNetPlan(blocks=1)))
    with pytest.raises(DoesNotFit, match="8 input blocks, the model has 12"):
        check_control_net(PATH, short, base)


@pytest.mark.parametrize(
    ("widths", "cells", "says"),
    [
        ((320, 640, 640, 1280), CELLS, "feature 2 has 640"),
        ((320, 640, 1280), CELLS, "3 features"),
        ((320, 640, 1280, 1280), (16, 16, 32, 32), "feature 0 has cells of 16 pixels, the model of 8 there"),
    ],
)
def test_adapters_of_other_sizes_are_refused(
    widths: tuple[int, ...], cells: tuple[int, ...], says: str
) -> None:
    with pytest.raises(DoesNotFit, match=says):
        check_adapter(PATH, tuple(zip(widths, cells, strict=False)), base_of(SD1.unet))


def test_branches_without_a_layer_are_refused() -> None:
    base = base_of(SD1.unet)
    with pytest.raises(DoesNotFit, match="lllite_unet_middle_block_nowhere has no layer"):
        check_lite(PATH, lite_shapes({"middle_block.nowhere.weight": (8, 8)}), base)
    name = "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    with pytest.raises(DoesNotFit, match="reads 640 channels, the model has 320"):
        check_lite(PATH, lite_shapes({name: (640, 640)}), base)
    below = "middle_block.1.transformer_blocks.0.attn1.to_q.weight"
    found = {
        key.replace("middle_block_1", "input_blocks_1_1"): size
        for key, size in lite_shapes({below: (320, 320)}, 64).items()
    }
    with pytest.raises(DoesNotFit, match="has cells of 64 pixels, the model of 8 there"):
        check_lite(PATH, found, base)


def test_layers_on_the_way_up_have_the_size_of_their_block() -> None:
    base = base_of(SD1.unet)
    cells = [layer_cell(f"output_blocks.{i}.1.proj_in.weight", base) for i in range(12)]
    assert cells == [64] * 3 + [32] * 3 + [16] * 3 + [8] * 3


@pytest.mark.parametrize(
    ("shape", "says"),
    [((32, 5, 3, 3), "adds 32 channels, the model has 64"), ((64, 9, 3, 3), "reads 9 channels")],
)
def test_an_inpaint_head_for_another_model_is_refused(shape: tuple[int, ...], says: str) -> None:
    base = base_of(UNetPlan(width=64, multipliers=(1, 2), depths=(1, 1), blocks=1))
    check_head(PATH, 64, 5, base)
    with pytest.raises(DoesNotFit, match=says):
        check_head(PATH, shape[0], shape[1], base)
