"""Attention inside the UNet."""

import gc
import weakref

import pytest
import torch

from benchmarks.parity_cases import numbers
from gesso.families.unet_plan import UNetPlan, unet_shapes
from gesso.networks.attention import Attention, Gather, SpatialTransformer, around
from gesso.networks.structure import Shapes, under
from tests.references.networks_cases import by_sixteen
from tests.references.networks_said import weights


def transformer(*, linear: bool) -> tuple[Shapes, SpatialTransformer]:
    plan = UNetPlan(width=32, multipliers=(1,), blocks=1, depths=(2,), context=24, linear=linear)
    shapes = under(unet_shapes(plan), "input_blocks.1.1.")
    network = SpatialTransformer(shapes, by_sixteen)
    network.load_state_dict(weights(dict(shapes)))
    return shapes, network.requires_grad_(False)


@pytest.mark.parametrize("linear", [False, True])
def test_the_order_of_the_context_does_not_matter(linear: bool) -> None:
    _, network = transformer(linear=linear)
    x, context = numbers("x", (1, 32, 4, 5)), numbers("context", (1, 7, 24))
    torch.testing.assert_close(network(x, context), network(x, context.flip(1)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("linear", [False, True])
def test_positions_are_alike(linear: bool) -> None:
    _, network = transformer(linear=linear)
    x, context = numbers("x", (1, 32, 4, 5)), numbers("context", (1, 7, 24))
    torch.testing.assert_close(
        network(x.flip(2, 3), context), network(x, context).flip(2, 3), rtol=0, atol=1e-4
    )


def test_both_ways_into_the_tokens_say_the_same() -> None:
    shapes, convolving = transformer(linear=False)
    _, linear = transformer(linear=True)
    linear.load_state_dict(
        {
            name: tensor.reshape(linear.state_dict()[name].shape)
            for name, tensor in weights(dict(shapes)).items()
        }
    )
    x, context = numbers("x", (2, 32, 4, 5)), numbers("context", (2, 7, 24))
    torch.testing.assert_close(linear(x, context), convolving(x, context), rtol=0, atol=1e-4)


def test_techniques_stack_and_leave_nothing_behind() -> None:
    _, network = transformer(linear=False)
    layer = network.transformer_blocks[0].attn2
    assert isinstance(layer, Attention)
    x, context = numbers("x", (1, 6, 32)), numbers("context", (1, 7, 24))
    plain = layer(x, context)

    def doubled(_: Attention, before: Gather, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return before(x, context) * 2

    with around(layer, doubled), around(layer, doubled):
        torch.testing.assert_close(layer(x, context), layer.to_out(layer.looked(x, context) * 4))
    assert torch.equal(layer(x, context), plain)


def test_a_layer_that_nobody_holds_is_gone_at_once() -> None:
    _, network = transformer(linear=False)
    gone = weakref.ref(network.transformer_blocks[0].attn1)
    gc.disable()
    try:
        del network
        assert gone() is None
    finally:
        gc.enable()
