import pytest
import torch
from torch import Tensor, nn

from gesso.conditioning.conditioning import Conditioning, cat
from gesso.denoiser import Denoiser
from gesso.guidance.estimates import Asked, Estimates, composed, guided
from gesso.guidance.regions import maps
from gesso.guidance.scale import constant, within
from gesso.sampling.levels import TrainedLevels
from gesso.sampling.prediction import PREDICTIONS

X = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4)


class Network(nn.Module):
    """Answers with the mean of what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, x: Tensor, t: Tensor, context: Tensor, vector: Tensor | None) -> Tensor:
        del t, vector
        self.rows.append(x.shape[0])
        return x * 0.1 + context.mean((1, 2))[:, None, None, None]


def told(value: float) -> Conditioning:
    return Conditioning(torch.full((1, 2, 3), value))


@pytest.fixture
def denoiser() -> Denoiser:
    return Denoiser(Network(), PREDICTIONS["epsilon"], TrainedLevels.scaled_linear())


def rows(denoiser: Denoiser) -> list[int]:
    assert isinstance(denoiser.network, Network)
    return denoiser.network.rows


def test_guidance_goes_on_from_the_unprompted_estimate(denoiser: Denoiser):
    with_prompt, without = denoiser(X, 2.0, told(1.0)), denoiser(X, 2.0, told(0.5))
    found = guided(denoiser, Asked(told(1.0), told(0.5)), constant(3.0))(X, 2.0)
    torch.testing.assert_close(found, without + 3 * (with_prompt - without))
    assert rows(denoiser) == [1, 1, 2]


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_a_composition_is_a_sum_of_directions_in_one_call(denoiser: Denoiser, sigma: float):
    parts = cat([told(1.0), told(2.0), told(3.0)])
    asked = Asked(parts, told(0.5), (1.0, 0.5, -1.0))
    found = guided(denoiser, asked, within(constant(3.0), (1.0, 9.0)))(X, sigma)
    assert rows(denoiser) == [4]
    without = denoiser(X, sigma, told(0.5))
    scale = 3.0 if sigma >= 1 else 1.0
    sums = [
        weight * (denoiser(X, sigma, told(value)) - without)
        for value, weight in ((1.0, 1), (2.0, 0.5), (3.0, -1))
    ]
    torch.testing.assert_close(found, without + scale * sum(sums))


def test_one_estimate_of_weight_one_is_itself():
    assert composed([X], X * 2, (1.0,)) is X


def test_outside_the_interval_and_at_scale_one_the_prompt_is_alone(denoiser: Denoiser):
    guided(denoiser, Asked(told(1.0), told(0.5)), within(constant(3.0), (1.0, 9.0)))(X, 0.5)
    guided(denoiser, Asked(told(1.0), None), constant(1.0))(X, 2.0)
    assert rows(denoiser) == [1, 1]


@pytest.mark.parametrize(("sigma", "expected"), [(0.9, 1), (1.0, 2), (9.0, 2), (9.1, 1)])
def test_both_ends_of_the_interval_are_inside(sigma: float, expected: int, denoiser: Denoiser):
    guided(denoiser, Asked(told(1.0), told(0.5)), within(constant(3.0), (1.0, 9.0)))(X, sigma)
    assert rows(denoiser) == [expected]


def test_a_batch_of_pictures_is_guided_row_by_row(denoiser: Denoiser):
    x = torch.cat([X, X * 2])
    both = cat([told(1.0), told(2.0)])
    found = guided(denoiser, Asked(both, cat([told(0.5)] * 2)), constant(3.0))(x, 2.0)
    alone = [
        guided(denoiser, Asked(told(value), told(0.5)), constant(3.0))(x[i : i + 1], 2.0)
        for i, value in enumerate((1.0, 2.0))
    ]
    torch.testing.assert_close(found, torch.cat(alone))


def test_every_role_is_a_row_of_one_call_and_reaches_the_rule(denoiser: Denoiser):
    asked = Asked(told(1.0), told(0.5), neutral=told(0.0), perturbed=(1.0, 9.0))
    seen: list[Estimates] = []

    def rule(said: Estimates) -> Tensor:
        seen.append(said)
        return said.prompt

    for sigma in (2.0, 0.5):
        guided(denoiser, asked, constant(3.0), rule)(X, sigma)
    assert rows(denoiser) == [4, 3]
    first, second = seen
    assert first.perturbed is not None
    assert first.neutral is not None
    assert torch.equal(first.perturbed, first.prompt)
    torch.testing.assert_close(first.neutral, denoiser(X, 2.0, told(0.0)))
    assert second.perturbed is None


def test_an_unguided_estimate_is_the_network_s_own_unless_a_rule_always_speaks(denoiser: Denoiser):
    asked = Asked(told(1.0), None)
    plain = guided(denoiser, asked, constant(1.0), lambda said: said.prompt * 2)(X, 2.0)
    assert torch.equal(plain, denoiser(X, 2.0, told(1.0)))
    spoken = guided(denoiser, asked, constant(1.0), lambda said: said.prompt * 2, always=True)(X, 2.0)
    assert torch.equal(spoken, plain * 2)


def test_regions_count_where_they_are(denoiser: Denoiser):
    left = torch.tensor([1.0, 1.0, 0.0, 0.0]).expand(1, 1, 4, 4)
    asked = Asked(cat([told(1.0), told(2.0)]), None, maps=maps([left], 0.0))
    found = guided(denoiser, asked, constant(1.0))(X, 2.0)
    assert torch.equal(found[..., 2:], denoiser(X, 2.0, told(1.0))[..., 2:])
    assert torch.equal(found[..., :2], denoiser(X, 2.0, told(2.0))[..., :2])
