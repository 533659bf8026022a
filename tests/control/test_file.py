"""Every layout of a control model is told from its names, fits or is refused, and agrees with diffusers."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.parity_cases import weight
from benchmarks.parity_gesso import vector
from gesso.checkpoint.shapes import Shapes
from gesso.conditioning.conditioning import Conditioning
from gesso.control.acting import Acting, Strength
from gesso.control.base import Base
from gesso.control.file import open_control
from gesso.denoiser import Call
from gesso.errors import AdapterError, DoesNotFit
from gesso.families.unet_plan import unet_shapes
from tests.control.made import base_of, guided, net_shapes, save, save_net, unet_of
from tests.models import random_weights
from tests.references.controls_cases import CONTROLS, control_inputs, control_shapes, controls_recorded
from tests.references.networks_said import assert_agree, weights

BOUND = 1e-4
"""Of the output's maximum: a UNet given additions 10⁴ times as large as its own numbers rounds them."""


@pytest.mark.parametrize("name", CONTROLS)
def test_the_unets_answer_agrees_with_diffusers(name: str, tmp_path: Path) -> None:
    control = CONTROLS[name]
    case, given = control.case, control_inputs(control)
    base = Base(name, Shapes(unet_shapes(case.plan.unet)), case.unet_heads)
    path = save(tmp_path / "c.safetensors", {n: weight(n, s) for n, s in control_shapes(name).items()})
    tensors = weights(unet_shapes(case.plan.unet))
    unet = unet_of(base, tensors)
    guide = guided(open_control(path, base), base, tensors, control.kind[0] if control.kind else None)
    answers: list[Tensor] = []
    middles: list[Tensor] = []
    with torch.no_grad():
        told = vector(case, given)
        for row in range(2):
            hint = given["hint"][row : row + 1].expand(-1, 3, -1, -1)
            acting = Acting(guide, hint, Strength((1.0,) * len(guide.soft)), (0.0, 99.0))
            cond = Conditioning(given["context"][[row]], None if told is None else told[[row]])
            call = Call(unet, given["x"][[row]], given["t"][[row]], 1.0, cond)
            with acting.during(call) as additions:
                assert additions is not None
                answers.append(unet(call.inputs, call.t, cond.context, cond.vector, additions))
                found = additions.middle
                middles.append(additions.inputs[max(additions.inputs)] if found is None else found)
    assert_agree({"answer": torch.cat(answers), "middle": torch.cat(middles)}, controls_recorded(name), BOUND)


def test_all_layouts_of_the_same_weights_are_the_same_network(tmp_path: Path) -> None:
    base = base_of("sd1")
    plain = save_net(tmp_path / "plain.safetensors", "sd1")
    prefixed = save_net(tmp_path / "prefixed.safetensors", "sd1", prefix="control_model.")
    for path in (plain, prefixed):
        found = open_control(path, base)
        assert found.what == "ControlNet"
        assert {n: found.file.shapes[n] for n in found.sources} == net_shapes("sd1")


def test_a_whole_checkpoint_beside_it_is_no_part_of_it(tmp_path: Path) -> None:
    extra = {"model.diffusion_model.out.0.weight": torch.ones(3), "betas": torch.ones(3)}
    tensors = {f"control_model.{n}": t for n, t in random_weights(net_shapes("sd1"), 1).items()}
    path = save(tmp_path / "old.safetensors", tensors | extra)
    assert open_control(path, base_of("sd1")).sources.keys() == net_shapes("sd1").keys()
    path = save(tmp_path / "odd.safetensors", tensors | {"odd": torch.ones(3)})
    with pytest.raises(AdapterError, match="odd is"):
        open_control(path, base_of("sd1"))


def test_one_of_another_family_is_refused_by_key_and_both_sizes(tmp_path: Path) -> None:
    path = save_net(tmp_path / "c.safetensors", "sd1")
    with pytest.raises(
        DoesNotFit, match=r"c\.safetensors must fit sdxl.*attn2\.to_k.*context of 64.*has 128"
    ):
        open_control(path, base_of("sdxl"))


def test_what_is_no_control_model_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "c.safetensors", {"something": torch.ones(2)})
    with pytest.raises(AdapterError, match=r"must be a control model.*something"):
        open_control(path, base_of("sd1"))


@pytest.mark.parametrize("missing", ["zero_convs.1.0.bias", "time_embed.0.bias"])
def test_a_missing_tensor_is_named(missing: str, tmp_path: Path) -> None:
    tensors = random_weights(net_shapes("sd1"), 1)
    del tensors[missing]
    tensors[missing + "x"] = torch.ones(3)
    with pytest.raises(AdapterError, match="bias"):
        open_control(save(tmp_path / "c.safetensors", tensors), base_of("sd1"))
