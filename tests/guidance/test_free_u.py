import pytest
import torch
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning
from gesso.denoiser import Call
from gesso.families.unet_plan import UNetPlan, unet_shapes
from gesso.guidance.free_u import FreeU, lowered
from gesso.networks.unet import UNet
from tests.references.networks_cases import eight
from tests.references.networks_said import weights

PLAN = UNetPlan(width=32, multipliers=(1, 2, 4), blocks=1, depths=(0, 1, 1), context=16, linear=True)


@pytest.fixture(scope="module")
def network() -> UNet:
    network = UNet(unet_shapes(PLAN), eight)
    network.load_state_dict(weights(unet_shapes(PLAN)))
    return network.requires_grad_(False)


def answered(network: UNet, control: FreeU | None) -> tuple[Tensor, list[Tensor]]:
    """What the network says, and what its output blocks were given."""
    given: list[Tensor] = []
    x, cond = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)), torch.ones(1, 3, 16)
    call = Call(network, x, torch.ones(1), 1.0, Conditioning(cond))

    def ask() -> Tensor:
        first = [block[0] for block in network.output_blocks]  # pyright: ignore[reportIndexIssue]
        handles = [each.register_forward_pre_hook(lambda _, args: given.append(args[0])) for each in first]
        said = network(x, torch.ones(1), cond)
        for handle in handles:
            handle.remove()
        return said

    if control is None:
        return ask(), given
    with control.during(call):
        return ask(), given


@pytest.mark.parametrize("version", [1, 2])
def test_factors_of_one_change_nothing(network: UNet, version: int) -> None:
    plain, _ = answered(network, None)
    said, _ = answered(network, FreeU((1.0, 1.0), (1.0, 1.0), version))  # pyright: ignore[reportArgumentType]
    torch.testing.assert_close(said, plain)


def test_the_widest_and_the_second_widest_are_weighed_and_no_others(network: UNet) -> None:
    _, plain = answered(network, None)
    _, found = answered(network, FreeU((2.0, 3.0), (1.0, 1.0), 1))
    # the first block is given the middle's 128 channels and 128 from the side
    torch.testing.assert_close(found[0][:, :64], plain[0][:, :64] * 2)
    torch.testing.assert_close(found[0][:, 64:], plain[0][:, 64:])
    again, _ = answered(network, None)
    torch.testing.assert_close(again, answered(network, None)[0])


def test_only_the_lowest_frequencies_are_lowered() -> None:
    flat = torch.full((1, 2, 8, 8), 3.0)
    torch.testing.assert_close(lowered(flat, 0.2), flat * 0.2)
    board = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    board = board.expand(1, 1, 8, 8)
    torch.testing.assert_close(lowered(board, 0.2), board)
    row = torch.randn(1, 1, 1, 8)
    torch.testing.assert_close(lowered(row, 1.0), row)
