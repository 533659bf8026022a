import math
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from gesso.conditioning.conditioning import Conditioning
from gesso.denoiser import Call, Denoiser
from gesso.networks.unet import Additions
from gesso.sampling.levels import TrainedLevels
from gesso.sampling.prediction import PREDICTIONS

LEVELS = TrainedLevels.scaled_linear()
SHAPE = (2, 4, 8, 8)
Target = Callable[[Tensor, Tensor, float], Tensor]

TARGETS: dict[str, Target] = {
    "epsilon": lambda _, noise, __: noise,
    "v": lambda clean, noise, sigma: (noise - sigma * clean) / math.sqrt(1 + sigma**2),
    "x0": lambda clean, _, __: clean,
    "edm": lambda clean, noise, sigma: (
        (clean - (clean + sigma * noise) * 0.25 / (sigma**2 + 0.25))
        * math.sqrt(sigma**2 + 0.25)
        / (0.5 * sigma)
    ),
    "edm_v": lambda clean, noise, sigma: (
        -(clean - (clean + sigma * noise) / (sigma**2 + 1)) * math.sqrt(sigma**2 + 1) / sigma
    ),
}
"""What a network of each kind was trained to answer, by its paper's own definition."""


class Answering(nn.Module):
    """A network that always gives the same answer and remembers what it was shown."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor, t: Tensor, context: Tensor, vector: Tensor | None) -> Tensor:
        self.shown = (x, t, context, vector)
        return self.answer.to(x.dtype)


def noisy(sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(int(sigma * 100))
    clean, noise = (torch.randn(SHAPE, generator=generator, dtype=torch.float64) for _ in range(2))
    return clean, noise, clean + sigma * noise


def told(vector: Tensor | None = None, concat: Tensor | None = None) -> Conditioning:
    return Conditioning(torch.ones(2, 77, 16), vector, concat)


@pytest.mark.parametrize("sigma", [0.03, 0.5, 1.0, 4.0, 14.6])
@pytest.mark.parametrize("name", PREDICTIONS)
def test_a_network_that_is_right_gives_the_clean_latents(name: str, sigma: float) -> None:
    clean, noise, x = noisy(sigma)
    network = Answering(TARGETS[name](clean, noise, sigma))
    denoiser = Denoiser(network, PREDICTIONS[name], LEVELS, torch.float64)
    assert torch.allclose(denoiser(x, sigma, told()), clean, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "data"), [("epsilon", 1), ("v", 1), ("x0", 1), ("edm", 0.5), ("edm_v", 1)])
def test_a_network_is_shown_unit_variance_and_its_own_time(name: str, data: float) -> None:
    network = Answering(torch.zeros(SHAPE))
    _, _, x = noisy(3.0)
    Denoiser(network, PREDICTIONS[name], LEVELS, torch.float64)(x, 3.0, told())
    shown, t, _, vector = network.shown
    assert torch.allclose(shown, x / math.sqrt(9.0 + data**2))
    assert t.tolist() == pytest.approx([LEVELS.t(3.0)] * 2)
    assert vector is None


def test_what_is_told_is_passed_on() -> None:
    network = Answering(torch.zeros(SHAPE))
    _, _, x = noisy(3.0)
    vector, concat = torch.rand(2, 12), torch.rand(2, 5, 8, 8)
    scalings = PREDICTIONS["epsilon"](3.0)
    Denoiser(network, PREDICTIONS["epsilon"], LEVELS)(x.float(), 3.0, told(vector, concat))
    shown, _, context, given = network.shown
    assert given is not None
    assert torch.equal(given, vector)
    assert torch.equal(context, told().context)
    assert torch.equal(shown[:, 4:], concat)
    assert torch.equal(shown[:, :4], x.float() * scalings.input)


def test_only_the_network_computes_in_narrow_numbers() -> None:
    network = Answering(torch.full(SHAPE, 1 / 3))
    x = torch.full(SHAPE, 1.1)
    denoiser = Denoiser(network, PREDICTIONS["epsilon"], LEVELS, torch.bfloat16)
    found = denoiser(x, 2.0, told(torch.rand(2, 12)))
    shown, t, context, vector = network.shown
    assert vector is not None
    assert {shown.dtype, context.dtype, vector.dtype} == {torch.bfloat16}
    assert t.dtype == found.dtype == torch.float32
    assert torch.equal(found, x - 2.0 * network.answer.bfloat16().float())


class Adding:
    """A control that remembers its calls and adds a number in the middle, above a noise level."""

    def __init__(self, amount: float) -> None:
        self.amount, self.calls, self.at_work = amount, list[Call](), False

    @contextmanager
    def during(self, call: Call) -> Generator[Additions | None]:
        self.calls.append(call)
        self.at_work = True
        yield Additions(middle=torch.full((1,), self.amount)) if call.sigma > 1 else None
        self.at_work = False


def test_controls_add_up_inside_the_network_and_see_what_it_is_told() -> None:
    one, two = Adding(1.0), Adding(2.0)
    seen: list[Additions | None] = []

    class Network(nn.Module):
        def forward(self, x: Tensor, *told: Tensor | Additions | None) -> Tensor:
            seen.append(told[3] if len(told) > 3 and isinstance(told[3], Additions) else None)
            assert one.at_work
            assert two.at_work
            assert x.shape[1] == 9
            return x[:, :4]

    denoiser = Denoiser(Network(), PREDICTIONS["epsilon"], LEVELS, controls=(one, two))
    cond = told(concat=torch.zeros(2, 5, 8, 8))
    for sigma in (4.0, 0.5):
        denoiser(torch.zeros(SHAPE), sigma, cond)
    assert not one.at_work
    assert seen[1] is None
    assert seen[0] is not None
    assert seen[0].middle is not None
    assert seen[0].middle.item() == 3.0
    assert one.calls[0].inputs.shape == SHAPE
    assert one.calls[0].cond.roles == ("prompt", "prompt")
