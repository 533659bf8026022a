"""What a control model must fit, from a file's header and from a loaded model alike."""

from pathlib import Path

import pytest

import gesso
from gesso.checkpoint.file import Checkpoint
from gesso.control.base import Base
from gesso.families.identify import identify
from tests.models import PLANS, save_model


@pytest.mark.parametrize("family", ["sd1-inpainting", "sdxl"])
def test_a_header_says_what_a_loaded_model_says(family: str, tmp_path: Path) -> None:
    path = save_model(tmp_path / "m.safetensors", family)
    told = Base.of_file(identify(Checkpoint.open(path)))
    found = Base.of(gesso.load(path, weights=False))
    plan = PLANS[family].unet
    for base in (told, found):
        assert base.name == family
        assert (base.context, base.vector, base.latents) == (plan.context, plan.vector, 4)
        assert len(base.widths) == base.unet.count("input_blocks") + 1
    assert told.widths == found.widths
