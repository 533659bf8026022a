import json
from pathlib import Path

import pytest
import torch

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.write import save
from gesso.errors import BrokenFile, CheckpointError


def put(path: Path, **tensors: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, {name: torch.tensor(value) for name, value in tensors.items()})


def read(folder: Path) -> dict[str, float]:
    checkpoint = Checkpoint.open(folder)
    assert checkpoint.container == "folder"
    return {name: tensor.item() for name, tensor in checkpoint.tensors(checkpoint.shapes)}


def test_the_parts_become_prefixes(tmp_path: Path) -> None:
    put(tmp_path / "unet" / "diffusion_pytorch_model.safetensors", a=1)
    put(tmp_path / "vae" / "diffusion_pytorch_model.safetensors", a=2)
    put(tmp_path / "text_encoder" / "model.safetensors", a=3)
    put(tmp_path / "safety_checker" / "model.safetensors", a=4)
    assert read(tmp_path) == {"unet.a": 1, "vae.a": 2, "text_encoder.a": 3}


def test_shards_belong_together_and_variants_do_not(tmp_path: Path) -> None:
    put(tmp_path / "unet" / "model-00001-of-00002.safetensors", a=1)
    put(tmp_path / "unet" / "model-00002-of-00002.safetensors", b=2)
    put(tmp_path / "unet" / "model.fp16-00001-of-00001.safetensors", a=9, b=9)
    put(tmp_path / "vae" / "model.fp16.safetensors", c=3)
    assert read(tmp_path) == {"unet.a": 1, "unet.b": 2, "vae.c": 3}


def test_pickles_only_where_there_is_nothing_better(tmp_path: Path) -> None:
    put(tmp_path / "unet" / "model.safetensors", a=1)
    torch.save({"a": torch.tensor(7.0)}, tmp_path / "unet" / "model.bin")
    (tmp_path / "vae").mkdir()
    torch.save({"a": torch.tensor(8.0)}, tmp_path / "vae" / "model.bin")
    assert read(tmp_path) == {"unet.a": 1, "vae.a": 8}


@pytest.mark.parametrize(
    ("settings", "metadata"),
    [
        ('{"prediction_type": "v_prediction"}', {"modelspec.prediction_type": "v"}),
        ('{"prediction_type": "epsilon"}', {"modelspec.prediction_type": "epsilon"}),
        ('{"prediction_type": ["?"]}', {}),
        ("[]", {}),
        ("{", {}),
        (None, {}),
    ],
)
def test_the_scheduler_tells_the_prediction_type(
    settings: str | None, metadata: dict[str, str], tmp_path: Path
) -> None:
    put(tmp_path / "unet" / "model.safetensors", a=1)
    (tmp_path / "scheduler").mkdir()
    if settings is not None:
        (tmp_path / "scheduler" / "scheduler_config.json").write_text(settings)
    assert Checkpoint.open(tmp_path).metadata == metadata


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({}))
    with pytest.raises(CheckpointError, match="must be a file or a diffusers folder"):
        Checkpoint.open(tmp_path)


def test_a_broken_part_is_named(tmp_path: Path) -> None:
    put(tmp_path / "unet" / "model.safetensors", a=1)
    (tmp_path / "unet" / "model.safetensors").write_bytes(b"")
    with pytest.raises(BrokenFile, match=r"unet.model\.safetensors: .* empty"):
        Checkpoint.open(tmp_path)


def test_a_folder_of_one_part(tmp_path: Path) -> None:
    put(tmp_path / "model-00001-of-00002.safetensors", a=1)
    put(tmp_path / "model-00002-of-00002.safetensors", b=1)
    assert set(Checkpoint.open(tmp_path).shapes) == {"a", "b"}


def test_an_image_encoder_counts_where_pictures_are_told(tmp_path: Path) -> None:
    put(tmp_path / "unet" / "model.safetensors", a=1)
    put(tmp_path / "image_encoder" / "model.safetensors", b=1)
    assert set(Checkpoint.open(tmp_path).shapes) == {"unet.a"}
    put(tmp_path / "image_normalizer" / "model.safetensors", c=1)
    found = set(Checkpoint.open(tmp_path).shapes)
    assert found == {"unet.a", "image_encoder.b", "image_normalizer.c"}
