"""The blueprints are the published files, tensor for tensor."""

import hashlib
import json
from dataclasses import replace

import pytest

from gesso.families.autoencoder_plan import AutoencoderPlan
from gesso.families.blueprint import (
    SCHEDULE,
    SD1,
    SD1_INPAINTING,
    SD1_INSTRUCT,
    SD2,
    SDXL,
    SDXL_REFINER,
    SSD_1B,
    VEGA,
    CheckpointPlan,
    checkpoint_shapes,
)
from gesso.families.text_plan import ClipPlan
from gesso.families.unet_plan import UNetPlan

# Count and sha256 of the sorted JSON of name -> shape, recorded from the published files' headers.
PUBLISHED = {
    "sd-v1": (SD1, 1143, "26cb3a890dd469db622bc3be14f6c82ef44ac82bab3fe244084cf0901aed2dc6"),
    "sd-v1-inpainting": (
        SD1_INPAINTING,
        1143,
        "6945d3dadbce55b684237726d628f60db15c1d94738f26dcc298cfd2a64dedcc",
    ),
    "sd-v2": (SD2, 1240, "8f6c8bbf730a59221e18aed3757fe6200bcc9a69613094603eafc181e642d29d"),
    "sdxl-base": (SDXL, 2515, "793b7c9fb715ca121508938f3d186e39722ace88c3f1b80ca3c2c6555a0b52b4"),
    "sdxl-refiner": (SDXL_REFINER, 1858, "92658ddf2a2cbdbb6b40caec73c464b2b553280677ded1950abfa61a85e16ca8"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_file_is_reproduced_exactly(name: str) -> None:
    plan, tensors, digest = PUBLISHED[name]
    shapes = {key: list(shape) for key, shape in checkpoint_shapes(plan).items()}
    assert len(shapes) == tensors
    assert hashlib.sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest() == digest


def test_without_buffers_only_what_networks_hold_remains() -> None:
    dropped = checkpoint_shapes(SD1).keys() - checkpoint_shapes(SD1, buffers=False).keys()
    position_ids = "cond_stage_model.transformer.text_model.embeddings.position_ids"
    assert dropped == {*SCHEDULE, position_ids}


def test_more_input_channels_change_one_tensor() -> None:
    plain, instruct = checkpoint_shapes(SD1), checkpoint_shapes(SD1_INSTRUCT)
    first = "model.diffusion_model.input_blocks.0.0.weight"
    assert {name for name in plain if plain[name] != instruct[name]} == {first}
    assert instruct[first] == (320, 8, 3, 3)


def test_the_pruned_models_have_the_signs_they_are_known_by() -> None:
    ssd, vega = checkpoint_shapes(SSD_1B), checkpoint_shapes(VEGA)
    sign = "model.diffusion_model.output_blocks.3.1.transformer_blocks.1.norm1.weight"
    assert sign in ssd
    assert sign not in vega
    for shapes in (ssd, vega):
        assert "model.diffusion_model.middle_block.0.in_layers.0.weight" in shapes
        assert not any(name.startswith("model.diffusion_model.middle_block.1.") for name in shapes)


def test_a_pruned_model_is_a_part_of_the_whole() -> None:
    whole = checkpoint_shapes(SDXL)
    assert checkpoint_shapes(SSD_1B).items() < whole.items()
    assert checkpoint_shapes(VEGA).items() < whole.items()


def test_no_middle_at_all() -> None:
    shapes = checkpoint_shapes(replace(SDXL, unet=replace(SDXL.unet, middle=None)))
    assert not any("middle_block" in name for name in shapes)


def test_a_narrow_model_keeps_the_names_of_the_published_one() -> None:
    text = ClipPlan(width=64, positions=32, vocabulary=8192)
    prefix, _ = SD1.texts[0]
    narrow = CheckpointPlan(
        UNetPlan(width=32, context=64), AutoencoderPlan(width=32), ((prefix, text),), True
    )
    assert checkpoint_shapes(narrow).keys() == checkpoint_shapes(SD1).keys()
