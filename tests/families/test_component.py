"""Files that hold parts of a model say which, and which option takes them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gesso.checkpoint.file import Checkpoint
from gesso.families.autoencoder_plan import (
    AutoencoderPlan,
    autoencoder_shapes,
    tiny_decoder_shapes,
    tiny_encoder_shapes,
)
from gesso.families.component import component
from gesso.families.text_plan import ClipPlan, OpenClipPlan, clip_shapes, open_clip_shapes
from tests.headers import write_header

G = {f"clip_g.{name}": shape for name, shape in open_clip_shapes(OpenClipPlan(projection=1024)).items()}


@pytest.mark.parametrize(
    ("shapes", "parts", "use"),
    [
        (autoencoder_shapes(AutoencoderPlan()), ["autoencoder"], "--vae"),
        (tiny_decoder_shapes(), ["tiny decoder"], "--vae"),
        (tiny_encoder_shapes(), ["tiny encoder"], "--vae"),
        ({"head": (320, 5, 3, 3)}, ["inpaint head"], "--controls"),
        (clip_shapes(ClipPlan()) | G, ["text encoder 768 wide", "text encoder 1024 wide"], "--text-encoders"),
    ],
)
def test_parts_are_told_by_their_tensors(
    shapes: Mapping[str, tuple[int, ...]], parts: list[str], use: str, tmp_path: Path
) -> None:
    found = component(Checkpoint.open(write_header(tmp_path / "x.safetensors", shapes)))
    assert found is not None
    assert [*found.parts] == parts
    assert (found.tensors, found.use) == (len(shapes), use)
    assert parts[-1] in found.text().splitlines()[0]
    assert f"use it with {use}" in found.text()


def test_what_is_known_of_a_part(tmp_path: Path) -> None:
    tiny = write_header(tmp_path / "x.safetensors", tiny_encoder_shapes(latents=16))
    found = component(Checkpoint.open(tiny))
    assert found is not None
    assert found.parts["tiny encoder"].startswith("16 channels")
    texts = write_header(tmp_path / "y.safetensors", clip_shapes(ClipPlan()) | G)
    found = component(Checkpoint.open(texts))
    assert found is not None
    assert found.parts == {
        "text encoder 768 wide": "12 layers in Hugging Face's layout",
        "text encoder 1024 wide": "24 layers in OpenCLIP's layout, whole text as 1024 numbers",
    }


def test_something_else_is_no_part(tmp_path: Path) -> None:
    assert component(Checkpoint.open(write_header(tmp_path / "x.safetensors", {"a": (1,)}))) is None
