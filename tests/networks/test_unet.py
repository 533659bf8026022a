"""The UNet agrees with diffusers' in every layout and is exactly what the file's tensors say."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchmarks import parity_gesso
from benchmarks.parity_cases import inputs
from gesso.errors import TensorMismatch, Unsupported
from gesso.families import blueprint
from gesso.families.unet_plan import UNetPlan, unet_shapes
from gesso.networks.attention import SpatialTransformer
from gesso.networks.unet import Additions, UNet
from tests.references.networks_cases import CASES, by_sixteen, eight
from tests.references.networks_said import assert_agree, recorded, weights

PUBLISHED = [
    blueprint.SD1,
    blueprint.SD1_INPAINTING,
    blueprint.SD2,
    blueprint.SDXL,
    blueprint.SDXL_REFINER,
    blueprint.SSD_1B,
    blueprint.VEGA,
]
SMALL = UNetPlan(width=32, multipliers=(1, 2), blocks=1, depths=(0, 1), context=16, linear=True)


def built(plan: UNetPlan) -> UNet:
    with torch.device("meta"):
        return UNet(unet_shapes(plan), eight)


def built_with_weights(plan: UNetPlan) -> UNet:
    network = UNet(unet_shapes(plan), eight)
    network.load_state_dict(weights(unet_shapes(plan)))
    return network.requires_grad_(False)


@pytest.mark.parametrize("case", CASES)
def test_a_call_agrees_with_diffusers(case: str) -> None:
    tensors = weights(unet_shapes(CASES[case].plan.unet))
    with torch.no_grad():
        assert_agree(parity_gesso.unet(CASES[case], tensors, inputs(CASES[case])), recorded(case))


@pytest.mark.parametrize("plan", PUBLISHED)
def test_it_has_a_published_files_tensors_and_no_others(plan: blueprint.CheckpointPlan) -> None:
    shapes = unet_shapes(plan.unet)
    assert {name: tuple(tensor.shape) for name, tensor in built(plan.unet).state_dict().items()} == shapes


@pytest.mark.parametrize("middle", [None, 0, 2])
def test_a_shorter_middle_is_a_smaller_network(middle: int | None) -> None:
    plan = replace(SMALL, middle=middle)
    network = built(plan)
    assert network.state_dict().keys() == unet_shapes(plan).keys()
    with torch.device("meta"):
        out = network(torch.empty(1, 4, 8, 8), torch.empty(1), torch.empty(1, 3, 16))
    assert out.shape == (1, 4, 8, 8)


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (7, 13)])
def test_any_size_comes_back_as_it_went_in(size: tuple[int, int]) -> None:
    network = built(replace(SMALL, multipliers=(1, 2, 2, 2), depths=(0, 1, 1, 0)))
    with torch.device("meta"):
        out = network(torch.empty(2, 4, *size), torch.empty(2), torch.empty(2, 3, 16))
    assert out.shape == (2, 4, *size)


def test_the_order_in_memory_does_not_change_the_numbers() -> None:
    case = CASES["v1"]
    given, tensors = inputs(case), weights(unet_shapes(case.plan.unet))
    with torch.no_grad():
        plain = parity_gesso.unet(case, tensors, given)
        last = {"x": given["x"].contiguous(memory_format=torch.channels_last)}
        spread = {
            name: weight.contiguous(memory_format=torch.channels_last) if weight.ndim == 4 else weight
            for name, weight in tensors.items()
        }
        assert_agree(parity_gesso.unet(case, spread, given | last), plain)


def test_each_example_of_a_batch_is_alone() -> None:
    case = CASES["xl"]
    given, tensors = inputs(case), weights(unet_shapes(case.plan.unet))
    second = {name: tensor[1:] for name, tensor in given.items()}
    with torch.no_grad():
        both = parity_gesso.unet(case, tensors, given)["unet"]
        assert_agree(parity_gesso.unet(case, tensors, second), {"unet": both[1:]})


def test_a_network_with_a_vector_condition_asks_for_it() -> None:
    network = built(replace(SMALL, vector=24))
    with torch.device("meta"), pytest.raises(Unsupported, match="vector"):
        network(torch.empty(1, 4, 8, 8), torch.empty(1), torch.empty(1, 3, 16))


def test_a_missing_tensor_is_named() -> None:
    shapes = unet_shapes(SMALL)
    del shapes["time_embed.2.weight"]
    with pytest.raises(TensorMismatch, match=r"time_embed\.2\.weight"):
        UNet(shapes, by_sixteen)


def test_a_layer_of_no_known_kind_is_refused() -> None:
    shapes = unet_shapes(SMALL)
    del shapes["input_blocks.1.0.in_layers.0.weight"]
    with pytest.raises(TensorMismatch, match="known kind"):
        UNet(shapes, by_sixteen)


def test_blocks_without_counterpart_are_refused() -> None:
    shapes = {name: shape for name, shape in unet_shapes(SMALL).items() if "output_blocks.3" not in name}
    with pytest.raises(TensorMismatch, match="4 and 3"):
        UNet(shapes, by_sixteen)


def test_norms_divide_by_what_the_published_weights_were_trained_with() -> None:
    network = built(SMALL)
    transformers = [part for part in network.modules() if isinstance(part, SpatialTransformer)]
    assert {part.norm.eps for part in transformers} == {1e-6}
    others = {part for part in network.modules() if isinstance(part, nn.GroupNorm | nn.LayerNorm)}
    assert {norm.eps for norm in others - {part.norm for part in transformers}} == {1e-5}


def test_additions_act_where_they_are_put() -> None:
    plan = SMALL
    network = UNet(unet_shapes(plan), eight)
    told = (torch.randn(1, 4, 8, 8), torch.ones(1), torch.randn(1, 3, 16))
    found: dict[str, torch.Tensor] = {}
    places = {
        "in 2": network.input_blocks[2],
        "middle": network.middle_block,
        "out 3": network.output_blocks[3],
    }
    for name, block in places.items():
        block.register_forward_pre_hook(lambda _, given, name=name: found.__setitem__(name, given[0].clone()))
    with torch.no_grad():
        plain, before = network(*told), dict(found)
        one = torch.ones(1, 32, 8, 8)
        same = network(*told, None, Additions(skips={0: one}))
        assert torch.equal(found["in 2"], before["in 2"])
        assert torch.equal(found["out 3"][:, -32:], before["out 3"][:, -32:] + 1)
        assert not torch.equal(same, plain)
        network(*told, None, Additions(inputs={1: one}))
        assert torch.equal(found["in 2"], before["in 2"] + 1)
        both = Additions(middle=one, skips={1: one}) + Additions(middle=one, skips={1: one, 0: one})
    assert both.middle is not None
    assert torch.equal(both.middle, one * 2)
    assert torch.equal(both.skips[1], one * 2)
    assert torch.equal(both.skips[0], one)
