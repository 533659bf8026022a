from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from gesso.checkpoint.file import Checkpoint
from gesso.families.assembly import drawings
from gesso.families.drawing import filled
from gesso.families.identify import identify
from gesso.families.roundable import expected, roundable
from gesso.runtime.kept import taken
from gesso.runtime.quantized import GRIDS
from tests.models import save_model

CPU = torch.device("cpu")


def test_neither_ends_nor_time_nor_what_does_not_multiply_may_be_rounded(tmp_path: Path) -> None:
    unet = drawings(identify(Checkpoint.open(save_model(tmp_path / "x.safetensors", "sdxl"))))["unet"].network
    found = roundable(unet)
    weights = {
        f"{name}.weight" for name, layer in unet.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)
    }
    left = weights - found
    assert found < weights
    assert {"input_blocks.0.0.weight", "out.2.weight", "time_embed.0.weight", "label_emb.0.0.weight"} < left
    assert all("emb" in name or name in {"input_blocks.0.0.weight", "out.2.weight"} for name in left)
    assert sum(unet.get_parameter(name).numel() for name in found) > 0.8 * sum(
        each.numel() for each in unet.parameters()
    )


def test_what_is_expected_is_what_is_taken(tmp_path: Path) -> None:
    file = save_model(tmp_path / "x.safetensors", "sd1")
    for grids in ((), *GRIDS.values()):
        drawing = replace(drawings(identify(Checkpoint.open(file)))["unet"], grids=grids)
        wanted = expected(drawing.network, grids, torch.bfloat16)
        found = sum(map(taken, filled(drawing, CPU, torch.bfloat16).parameters()))
        assert abs(found - wanted) < 0.02 * wanted
