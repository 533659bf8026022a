import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gesso.runtime.native.kernels import kernels
from gesso.runtime.native.product import Layout, Multiplier
from gesso.runtime.tiled import Tiled, layout_of


@pytest.fixture(scope="module")
def multiplier() -> Multiplier:
    found = kernels()
    made = None if found is None else found.multiplier()
    if made is None:
        pytest.skip("this machine has no kernels of its own")
    return made


CASES = (
    (nn.Conv2d(64, 96, 3, padding=1), (2, 64, 9, 7), False),
    (nn.Conv2d(640, 32, 3, padding=1, bias=False), (1, 640, 4, 4), False),
    (nn.Linear(320, 128), (2, 5, 320), True),
)


@pytest.fixture(params=CASES, ids=lambda case: str(case[0]))
def case(
    request: pytest.FixtureRequest, multiplier: Multiplier
) -> tuple[nn.Conv2d | nn.Linear, Tensor, Tiled]:
    """A layer in bfloat16, what it is given, and its weight laid out."""
    torch.manual_seed(0)
    layer, shape, halved = request.param
    layer = layer.bfloat16().requires_grad_(False)
    layout = layout_of(layer, halved=halved)
    assert layout is not None
    return layer, torch.randn(shape).bfloat16(), Tiled(layer.weight.data, layout, multiplier)


def test_it_answers_as_the_plain_one(case: tuple[nn.Conv2d | nn.Linear, Tensor, Tiled]) -> None:
    layer, x, weight = case
    with torch.inference_mode():
        before = layer(x)
        ours = layer._conv_forward(x, weight, layer.bias) if isinstance(layer, nn.Conv2d) else None
        ours = functional.linear(x, weight, layer.bias) if ours is None else ours
    assert torch.allclose(ours.float(), before.float(), rtol=2**-7, atol=2**-7)


def test_whoever_reads_it_finds_the_plain_one(case: tuple[nn.Conv2d | nn.Linear, Tensor, Tiled]) -> None:
    layer, _, weight = case
    assert all(torch.equal(each, layer.weight) for each in (weight.data, weight.detach(), weight * 1))
    assert weight.numbers.nbytes == layer.weight.nbytes == weight.taken()


def test_gradients_pass(case: tuple[nn.Conv2d | nn.Linear, Tensor, Tiled]) -> None:
    layer, x, weight = case
    gradients: list[Tensor | None] = []
    for each in (layer.weight, weight):
        learnt = x.clone().requires_grad_()
        with torch.enable_grad():
            if isinstance(layer, nn.Conv2d):
                made = layer._conv_forward(learnt, each, layer.bias)
            else:
                made = functional.linear(learnt, each, layer.bias)
            made.float().square().sum().backward()
        gradients.append(learnt.grad)
    assert torch.equal(*gradients)


def test_a_convolution_of_another_stride_is_left_to_torch(multiplier: Multiplier) -> None:
    torch.manual_seed(0)
    plain, x = torch.randn(32, 32, 3, 3).bfloat16(), torch.randn(1, 32, 7, 7).bfloat16()
    weight = Tiled(plain, Layout(32, 32, 3, halved=False), multiplier)
    with torch.inference_mode():
        for more in ({"stride": 2}, {"padding": "same"}, {"padding": 3}, {"dilation": 2}):
            ours, before = (functional.conv2d(x, each, **more).float() for each in (weight, plain))
            assert torch.allclose(ours, before, atol=2**-6)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(32, 32),
        nn.Conv2d(32, 32, 1),
        nn.Conv2d(32, 32, 3, stride=2, padding=1),
        nn.Conv2d(4, 32, 3, padding=1),
        nn.Conv2d(32, 4, 3, padding=1),
        nn.Conv2d(32, 32, (3, 1)),
        nn.Conv2d(32, 32, 3, padding="same"),
        nn.Conv2d(32, 32, 3, padding=3),
        nn.Conv2d(64, 64, 3, padding=1, groups=2),
    ],
    ids=str,
)
def test_layers_that_others_compute(layer: nn.Conv2d | nn.Linear) -> None:
    assert layout_of(layer) is None
