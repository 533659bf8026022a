from math import inf

import pytest
import torch
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning
from gesso.denoiser import Call
from gesso.families.unet_plan import UNetPlan, unet_shapes
from gesso.guidance.estimates import Estimates, straight
from gesso.guidance.perturbed import Disturbed, gaussian, identity, pushed, smoothed, token_grid
from gesso.networks.attention import Attention, SpatialTransformer
from gesso.networks.structure import under
from tests.references.networks_cases import by_sixteen
from tests.references.networks_said import weights

PLAN = UNetPlan(width=32, multipliers=(1,), blocks=1, depths=(1,), context=24, linear=True)
ROLES = ("prompt", "negative", "perturbed")


@pytest.fixture
def network() -> SpatialTransformer:
    shapes = under(unet_shapes(PLAN), "input_blocks.1.1.")
    network = SpatialTransformer(shapes, by_sixteen)
    network.load_state_dict(weights(dict(shapes)))
    return network.requires_grad_(False)


def looking(network: SpatialTransformer) -> Attention:
    layer = network.transformer_blocks[0].attn1
    assert isinstance(layer, Attention)
    return layer


def call(network: SpatialTransformer, roles: tuple[str, ...]) -> Call:
    cond = Conditioning(torch.zeros(len(roles), 7, 24), roles=roles)  # pyright: ignore[reportArgumentType]
    return Call(network, torch.zeros(len(roles), 4, 4, 6), torch.ones(len(roles)), 1.0, cond)


@pytest.mark.parametrize("disturb", [identity, smoothed(2.0), smoothed(inf)])
def test_only_the_disturbed_rows_change_and_only_while_called(network: SpatialTransformer, disturb) -> None:
    layer, x = looking(network), torch.randn(3, 24, 32)
    plain = layer(x, x)
    with Disturbed([layer], disturb).during(call(network, ROLES)):
        found = layer(x, x)
    assert torch.equal(found[:2], plain[:2])
    assert not torch.allclose(found[2], plain[2])
    assert torch.equal(layer(x, x), plain)
    with Disturbed([layer], disturb).during(call(network, ("prompt", "prompt", "negative"))):
        assert torch.equal(layer(x, x), plain)


def test_with_identity_a_token_gathers_its_own_value(network: SpatialTransformer) -> None:
    layer, x = looking(network), torch.randn(3, 24, 32)
    with Disturbed([layer], identity).during(call(network, ROLES)):
        found = layer(x, x)
    torch.testing.assert_close(found[2], layer.to_out(layer.to_v(x[2])))


def test_an_infinite_blur_asks_with_the_mean_of_all(network: SpatialTransformer) -> None:
    layer, x = looking(network), torch.randn(1, 24, 32)
    found = smoothed(inf)(layer, x, (4, 6))
    assert torch.allclose(found, found[:, :1].expand_as(found), atol=1e-6)


def test_a_narrow_blur_is_nearly_none(network: SpatialTransformer) -> None:
    layer, x = looking(network), torch.randn(1, 24, 32)
    torch.testing.assert_close(smoothed(0.05)(layer, x, (4, 6)), layer.looked(x, x))


@pytest.mark.parametrize(
    ("tokens", "size", "expected"),
    [(24, (4, 6), (4, 6)), (6, (4, 6), (2, 3)), (12, (5, 7), (3, 4)), (4, (5, 7), (2, 2))],
)
def test_the_number_of_tokens_tells_their_grid(
    tokens: int, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert token_grid(tokens, size) == expected


def test_a_blur_keeps_what_is_even_and_its_sum() -> None:
    flat = torch.full((1, 2, 5, 7), 3.0)
    torch.testing.assert_close(gaussian(flat, 1.3), flat)
    dot = torch.zeros(1, 1, 9, 9)
    dot[..., 4, 4] = 1
    blurred = gaussian(dot, 1.0)
    torch.testing.assert_close(blurred, blurred.transpose(2, 3))
    torch.testing.assert_close(blurred, blurred.flip(2, 3))
    assert 0.1 < blurred[..., 4, 4].item() < 0.2


def test_the_result_is_pushed_away_from_the_disturbed_estimate() -> None:
    x, prompt, negative, disturbed = torch.randn(4, 1, 4, 2, 2)
    said = Estimates(x, 1.0, 3.0, prompt, negative, None, disturbed)

    def expected(scale: float) -> Tensor:
        return straight(said) + scale * (prompt - disturbed)

    torch.testing.assert_close(pushed(straight, 2.0)(said), expected(2.0))
    without = Estimates(x, 1.0, 3.0, prompt, negative)
    assert torch.equal(pushed(straight, 2.0)(without), straight(without))
