"""UNets of other sizes."""

import pytest

from gesso.families.unet_plan import UNetPlan, unet_shapes

PLANS = [
    UNetPlan(width=32),
    UNetPlan(width=32, multipliers=(1, 2), blocks=1, depths=(0, 1)),
    UNetPlan(width=32, multipliers=(1, 2, 4), blocks=3, depths=(0, 2, 3), middle=0),
]


@pytest.mark.parametrize("plan", PLANS)
def test_as_many_blocks_lead_up_as_down(plan: UNetPlan) -> None:
    names = unet_shapes(plan)
    down, up = (
        {name.split(".")[1] for name in names if name.startswith(f"{way}_blocks.")}
        for way in ("input", "output")
    )
    assert down == up
    assert len(down) == len(plan.multipliers) * (plan.blocks + 1)


@pytest.mark.parametrize("plan", PLANS)
def test_the_size_is_doubled_as_often_as_halved(plan: UNetPlan) -> None:
    names = unet_shapes(plan)
    halved = sum(name.endswith(".op.weight") for name in names)
    doubled = sum(name.startswith("output_blocks.") and name.endswith(".conv.weight") for name in names)
    assert halved == doubled == len(plan.multipliers) - 1


def test_depths_on_the_way_up_follow_the_files_order() -> None:
    shapes = unet_shapes(
        UNetPlan(width=32, multipliers=(1, 2), blocks=1, depths=(0, 1), depths_up=(3, 2, 1, 0))
    )
    depths = [
        sum(name.startswith(f"output_blocks.{i}.1.") and name.endswith("norm3.bias") for name in shapes)
        for i in range(4)
    ]
    assert depths == [3, 2, 1, 0]


def test_a_vector_condition_enters_beside_the_time() -> None:
    shapes = unet_shapes(UNetPlan(width=32, vector=96))
    assert shapes["label_emb.0.0.weight"] == (128, 96)
    assert not any(name.startswith("label_emb") for name in unet_shapes(UNetPlan(width=32)))
