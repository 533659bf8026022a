from pathlib import Path

import pytest

from gesso.adapters.made_for import UNKNOWN, made_for
from gesso.checkpoint.file import Checkpoint
from tests.files import table
from tests.headers import write_header


@pytest.mark.parametrize(
    ("width", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl"), (1280, "sdxl-refiner"), (64, UNKNOWN)]
)
@pytest.mark.parametrize(
    "name",
    [
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight",
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight",
    ],
)
def test_cross_attention_tells_the_family(name: str, width: int, family: str) -> None:
    assert made_for(table({name: (4, width)})) == family


@pytest.mark.parametrize(
    ("metadata", "family"),
    [
        ({"ss_base_model_version": "sdxl_base_v1-0"}, "sdxl"),
        ({"ss_base_model_version": "sd_v1"}, "sd1"),
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, "sdxl"),
        ({"modelspec.architecture": "stable-diffusion-v1/lora"}, "sd1"),
        ({}, UNKNOWN),
    ],
)
def test_metadata_tells_where_shapes_do_not(metadata: dict[str, str], family: str, tmp_path: Path) -> None:
    path = write_header(tmp_path / "a.safetensors", {"lora_te_a.lokr_w1": (4, 4)}, metadata=metadata)
    assert made_for(Checkpoint.open(path)) == family


def test_a_second_text_encoder_means_sdxl() -> None:
    assert made_for(table({"lora_te2_text_model_a.lora_down.weight": (4, 1280)})) == "sdxl"
