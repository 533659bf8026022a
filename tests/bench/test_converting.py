import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gesso.bench.converting import _examples, main
from gesso.bench.figures import Case
from tests.bench.stand_ins import settle


@pytest.mark.parametrize(
    ("part", "shapes"), [("unet", "[(2, 4, 12, 12), (), (2, 77, 8)]"), ("vae", "[(1, 4, 12, 12)]")]
)
def test_a_part_is_written_for_the_size_asked(
    part: str, shapes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(monkeypatch)
    case = Case(tmp_path / "model.safetensors", 96, 2, dtype="bfloat16", config=tmp_path / "config")
    out = tmp_path / "made" / "part.xml"
    main([json.dumps(case.plain()), part, str(out)])
    assert out.read_text() == f"{shapes} torch.float32"


def test_sdxl_is_told_more() -> None:
    settings = SimpleNamespace(
        cross_attention_dim=2048,
        addition_embed_type="text_time",
        projection_class_embeddings_input_dim=2816,
        addition_time_embed_dim=256,
    )
    shapes = [each.shape for each in _examples("unet", settings)]
    assert shapes[2:] == [torch.Size(each) for each in ((2, 77, 2048), (2, 1280), (2, 6))]
