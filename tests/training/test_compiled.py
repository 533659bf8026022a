"""The compilable form of a network computes what the plain one does."""

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from gesso.families.blueprint import AutoencoderPlan, UNetPlan, autoencoder_shapes, unet_shapes
from gesso.families.family import HeadRule
from gesso.networks.autoencoder import Autoencoder
from gesso.networks.initialise import initialise
from gesso.networks.unet import UNet
from gesso.training.compiled import compilable, compiled, twice


def test_every_pixel_becomes_four() -> None:
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(twice(x), functional.interpolate(x, scale_factor=2.0, mode="nearest"))


def test_an_autoencoder_and_its_gradients_stay_the_same() -> None:
    plan = AutoencoderPlan(width=32, multipliers=(1, 2), blocks=1, attention=False)
    network = Autoencoder(autoencoder_shapes(plan))
    initialise(network, torch.Generator().manual_seed(0))
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))

    def run() -> tuple[torch.Tensor, list[torch.Tensor]]:
        network.zero_grad()
        back = network.decode(network.encode(x).mean)
        back.square().mean().backward()
        grads = [weight.grad.clone() for weight in network.parameters() if weight.grad is not None]
        return back.detach(), grads

    back, grads = run()
    compilable(network)
    again, others = run()
    torch.testing.assert_close(again, back, rtol=1e-4, atol=1e-5)
    for one, other in zip(grads, others, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_a_unet_stays_the_same(size: tuple[int, int]) -> None:
    plan = UNetPlan(width=32, multipliers=(1, 1), blocks=1, depths=(0, 1), context=8)
    network = UNet(unet_shapes(plan), HeadRule(count=2))
    draws = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        weight.data.normal_(0, 0.05, generator=draws)
    x = torch.randn(1, 4, *size, generator=draws)
    t, context = torch.tensor([3.0]), torch.randn(1, 5, 8, generator=draws)
    plain = network(x, t, context)
    torch.testing.assert_close(compilable(network)(x, t, context), plain, rtol=1e-4, atol=1e-5)


def test_a_compiled_call_has_the_gradients_of_the_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda network, **_: network)  # a compiler takes too long for tests
    plan = UNetPlan(width=32, multipliers=(1, 1), blocks=1, depths=(0, 1), context=8)
    network = UNet(unet_shapes(plan), HeadRule(count=2))
    draws = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        weight.data.normal_(0, 0.05, generator=draws)
    x, context = torch.randn(2, 4, 8, 8, generator=draws), torch.randn(2, 5, 8, generator=draws)

    def grads(call: Callable[..., torch.Tensor]) -> list[torch.Tensor]:
        answer = call(x, torch.tensor([3.0, 5.0]), context, None)
        return list(torch.autograd.grad(answer.square().mean(), [*network.parameters()]))

    plain = grads(network)
    for one, other in zip(grads(compiled(network)), plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
