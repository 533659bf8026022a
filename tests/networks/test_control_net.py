"""A ControlNet has its file's tensors; a new one knows what its UNet knows and changes nothing."""

from dataclasses import replace

import pytest
import torch

from gesso.errors import TensorMismatch
from gesso.families.blueprint import SD1, SD2, SDXL
from gesso.families.unet_plan import UNetPlan, unet_shapes
from gesso.networks.control_net import ControlNet, control_net_shapes, grown
from gesso.networks.unet import UNet
from tests.references.networks_cases import by_sixteen

SMALL = UNetPlan(width=32, multipliers=(1, 2), blocks=1, depths=(0, 1), context=16, linear=True)
HINT = (4, 6, 8)


@pytest.mark.parametrize("plan", [SD1.unet, SD2.unet, SDXL.unet, replace(SMALL, middle=0)])
def test_it_has_a_files_tensors_and_no_others(plan: UNetPlan) -> None:
    shapes = control_net_shapes(unet_shapes(plan))
    with torch.device("meta"):
        network = ControlNet(shapes, by_sixteen)
    assert {name: tuple(each.shape) for name, each in network.state_dict().items()} == shapes
    assert (network.scale, network.outputs) == (8, len(network.input_blocks) + 1)


def test_published_files_have_13_and_10_outputs() -> None:
    for plan, outputs in ((SD1.unet, 13), (SDXL.unet, 10)):
        with torch.device("meta"):
            assert ControlNet(control_net_shapes(unet_shapes(plan)), by_sixteen).outputs == outputs


def test_a_new_one_adds_nothing_and_can_learn() -> None:
    shapes = unet_shapes(SMALL)
    unet = UNet(shapes, by_sixteen)
    network = grown(unet, by_sixteen, torch.Generator().manual_seed(1), HINT)
    assert network.scale == 4
    own = network.state_dict()
    for name, weight in unet.state_dict().items():
        if name in own:
            assert torch.equal(own[name], weight), name
    told = (torch.randn(2, 4, 8, 8), torch.ones(2), torch.randn(2, 3, 16), None)
    hint = network.input_hint_block(torch.rand(2, 3, 32, 32))
    assert hint.shape[-2:] == (8, 8)
    assert not hint.any()
    additions = network(*told, hint)
    assert additions.middle is not None
    assert not any(each.any() for each in (*additions.skips.values(), additions.middle))
    assert torch.equal(unet(*told, additions), unet(*told))
    unet.requires_grad_(requires_grad=False)
    unet(*told, additions).sum().backward()
    gradient = network.zero_convs[0][0].weight.grad
    assert gradient is not None
    assert gradient.any()


@pytest.mark.parametrize(
    "wrong",
    [
        {"zero_convs.1.0.weight": (7, 7, 1, 1)},
        {"middle_block_out.0.weight": (7, 7, 1, 1)},
        {"input_hint_block.8.weight": (7, 8, 3, 3)},
    ],
)
def test_what_does_not_fit_together_is_refused(wrong: dict[str, tuple[int, ...]]) -> None:
    shapes = control_net_shapes(unet_shapes(SMALL), HINT) | wrong
    with pytest.raises(TensorMismatch):
        ControlNet(shapes, by_sixteen)


def test_every_input_block_has_a_way_out() -> None:
    shapes = control_net_shapes(unet_shapes(SMALL), HINT)
    fewer = {name: shape for name, shape in shapes.items() if not name.startswith("zero_convs.3")}
    with pytest.raises(TensorMismatch, match="4 blocks and 3 zero_convs"):
        ControlNet(fewer, by_sixteen)
