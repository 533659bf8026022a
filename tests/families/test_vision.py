from pathlib import Path

import pytest
import torch

from gesso.checkpoint.file import Checkpoint
from gesso.errors import CheckpointError, TensorMismatch
from gesso.families.drawing import filled
from gesso.families.vision import vision_activation, vision_drawing, vision_heads
from gesso.families.vision_plan import VisionPlan, open_vision_shapes, vision_shapes
from gesso.networks.clip_vision import ClipVision, OpenClipVision
from tests.headers import write_header
from tests.references.image_prompt_cases import VISION, square

WORDS = {
    "text_model.final_layer_norm.weight": (8,),
    "logit_scale": (),
    "vision_model.embeddings.position_ids": (1, 17),
}


@pytest.mark.parametrize(("width", "heads"), [(768, 12), (1024, 16), (1280, 16), (1408, 16), (1664, 16)])
def test_published_encoders_have_these_heads(width: int, heads: int) -> None:
    assert vision_heads(width) == heads


def test_only_openais_widths_think_as_openais_do() -> None:
    found = [vision_activation(width) for width in (768, 1024, 1280, 1664)]
    assert found == ["quick_gelu", "quick_gelu", "gelu", "gelu"]


@pytest.mark.parametrize("prefix", ["", "embedder.model."])
@pytest.mark.parametrize("layout", ["hugging face", "open clip"])
def test_the_encoder_of_a_file_is_found_in_either_layout(prefix: str, layout: str, tmp_path: Path) -> None:
    shapes = vision_shapes(VISION)
    if layout == "open clip":
        shapes = {f"visual.{name}": shape for name, shape in open_vision_shapes(VISION).items()}
    path = write_header(
        tmp_path / "c.safetensors", {prefix + name: each for name, each in (shapes | WORDS).items()}
    )
    drawing = vision_drawing(Checkpoint.open(path), prefix)
    assert isinstance(drawing.network, ClipVision if layout == "hugging face" else OpenClipVision)
    assert set(drawing.tensors.values()) == {prefix + name for name in shapes}
    network = filled(drawing, torch.device("cpu"), torch.float32)
    assert network(square()).pooled.shape == (2, VISION.projection)


def test_a_file_without_one_is_refused(tmp_path: Path) -> None:
    path = write_header(tmp_path / "t.safetensors", {"text_model.final_layer_norm.weight": (8,)})
    with pytest.raises(CheckpointError, match="must hold an image encoder, however"):
        vision_drawing(Checkpoint.open(path))


@pytest.mark.parametrize("name", ["visual_projection.weight", "vision_model.embeddings.class_embedding"])
def test_an_encoder_with_a_tensor_missing_is_refused(name: str, tmp_path: Path) -> None:
    shapes = vision_shapes(VisionPlan(width=64, layers=1, hidden=64, side=28))
    del shapes[name]
    with pytest.raises(TensorMismatch, match=name):
        vision_drawing(Checkpoint.open(write_header(tmp_path / "m.safetensors", shapes)))
