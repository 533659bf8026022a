from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from gesso.checkpoint.file import Checkpoint
from gesso.checkpoint.shapes import Shapes
from gesso.errors import TensorMismatch
from gesso.families.assembly import drawings
from gesso.families.drawing import filled, must_match
from gesso.families.identify import identify
from gesso.families.roundable import roundable
from gesso.runtime.quantized import GRIDS, Quantized
from tests.families.test_assembly import CPU, UNET, saved, weights


@pytest.mark.parametrize("change", ["missing", "extra", "misshapen"])
def test_a_network_takes_exactly_its_tensors(change: str, tmp_path: Path) -> None:
    tensors = weights()
    name = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn1.to_k.weight"
    if change == "missing":
        del tensors[name]
    elif change == "extra":
        tensors[f"{name.removesuffix('.weight')}.surplus"] = torch.zeros(3)
    else:
        tensors[name] = torch.zeros(3)
    with pytest.raises(TensorMismatch, match=r"attn1\.to_k"):
        drawings(identify(Checkpoint.open(saved(tmp_path / "x.safetensors", tensors))))


def test_scaled_8_bit_weights_are_multiplied_out(tmp_path: Path) -> None:
    tensors = weights()
    name = f"{UNET}time_embed.0.weight"
    exact = (tensors[name] * 64).to(torch.float8_e4m3fn)
    tensors |= {
        name: exact,
        name.replace("weight", "scale_weight"): torch.tensor(1 / 64),
        name.replace("weight", "scale_input"): torch.tensor(1.0),
        "scaled_fp8": torch.zeros(2),
    }
    identity = identify(Checkpoint.open(saved(tmp_path / "x.safetensors", tensors)))
    unet = filled(drawings(identity)["unet"], CPU, torch.float32)
    assert torch.equal(unet.state_dict()["time_embed.0.weight"], exact.float() / 64)


@pytest.mark.parametrize("name", GRIDS)
def test_weights_are_rounded_while_they_are_read_as_far_as_that_is_faithful(
    name: str, tmp_path: Path
) -> None:
    tensors, grids = weights(), GRIDS[name]
    far = "input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    # one number in each row that leaves the others no room
    tensors[UNET + far][:, ::40] *= 30
    drawing = drawings(identify(Checkpoint.open(saved(tmp_path / "x.safetensors", tensors))))["unet"]
    unet = filled(replace(drawing, grids=grids), CPU, torch.bfloat16)
    assert type(unet.get_parameter(far)) is nn.Parameter
    found = {own: each for own, each in unet.named_parameters() if isinstance(each, Quantized)}
    assert len(found) > 20
    assert found.keys() < roundable(unet)
    for own, each in found.items():
        assert each.grid in grids
        assert each.fidelity >= each.grid.faithful
        assert torch.equal(each.plain(), unet.state_dict()[own])
        exact = tensors[UNET + own].bfloat16()
        off = (each.plain().double() - exact.double()).square().sum() / exact.double().square().sum()
        assert float(-10 * off.log10()) == pytest.approx(each.fidelity, abs=0.01)


def test_what_8_bit_files_multiply_is_multiplied_before_it_is_rounded(tmp_path: Path) -> None:
    tensors, name = weights(), "input_blocks.1.0.in_layers.2.weight"
    tensors[UNET + name] = (tensors[UNET + name] * 64).to(torch.float8_e4m3fn)
    tensors |= {
        UNET + name.replace("weight", "scale_weight"): torch.tensor(1 / 64),
        "scaled_fp8": torch.zeros(2),
    }
    drawing = drawings(identify(Checkpoint.open(saved(tmp_path / "x.safetensors", tensors))))["unet"]
    exact, rounded = (
        filled(replace(drawing, grids=grids), CPU, torch.float32).get_parameter(name)
        for grids in ((), GRIDS["int8"])
    )
    assert isinstance(rounded, Quantized)
    assert torch.allclose(rounded.plain(), exact, atol=float(exact.abs().max()) / 200)


def test_what_does_not_match_is_counted() -> None:
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    found = Shapes({"0.weight": (3, 2), "0.bias": (4,), "1.weight": (2, 3), "2.bias": (1,)})
    with pytest.raises(TensorMismatch, match="1 are missing, 1 unexpected and 1 of another shape"):
        must_match("network", network, found)
