from dataclasses import replace

import pytest
import torch

from gesso.errors import TensorMismatch
from gesso.families.blueprint import CheckpointPlan, unet_shapes
from gesso.networks.joints import check_joints
from gesso.networks.unet import UNet
from tests.headers import SD1, SD2, SDXL, SDXL_REFINER, SSD_1B, VEGA, koala, tiny


@pytest.mark.parametrize("plan", [SD1, SD2, SDXL, SDXL_REFINER, SSD_1B, VEGA, koala(5), tiny(SD1)])
def test_published_layouts_fit(plan: CheckpointPlan) -> None:
    check_joints(unet_shapes(plan.unet))


SHAPES = unet_shapes(replace(tiny(SDXL).unet))
WEIGHTS = sorted(name for name, shape in SHAPES.items() if name.endswith("weight") and len(shape) > 1)


# what goes in and out of the whole network is free: latents, sinusoids, prompt and vector
FREE = {
    ("input_blocks.0.0.weight", 1),
    ("out.2.weight", 0),
    ("time_embed.0.weight", 1),
    ("label_emb.0.0.weight", 1),
}


@pytest.mark.parametrize("axis", [0, 1])
def test_any_one_weight_of_another_width_is_noticed_before_anything_is_computed(axis: int) -> None:
    unnoticed: list[str] = []
    for name in WEIGHTS:
        shape = list(SHAPES[name])
        shape[axis] += 32
        try:
            with torch.device("meta"):
                UNet({**SHAPES, name: tuple(shape)}, lambda width: width // 32)
        except TensorMismatch:
            continue
        unnoticed.append(name)
    assert unnoticed == [name for name, free in sorted(FREE) if free == axis]
