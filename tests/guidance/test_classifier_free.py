import pytest
import torch
from torch import Tensor, nn

from gesso.conditioning.conditioning import Conditioning, cat
from gesso.denoiser import Denoiser
from gesso.guidance.classifier_free import classifier_free, composed, rescaled, stepwise
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
    guided = classifier_free(denoiser, told(1.0), told(0.5), scale=3.0)(X, 2.0)
    torch.testing.assert_close(guided, without + 3 * (with_prompt - without))
    assert rows(denoiser) == [1, 1, 2]


@pytest.mark.parametrize("sigma", [0.5, 2.0])
def test_a_composition_is_a_sum_of_directions_in_one_call(denoiser: Denoiser, sigma: float):
    parts = cat([told(1.0), told(2.0), told(3.0)])
    guided = classifier_free(
        denoiser, parts, told(0.5), scale=3.0, sigmas=(1.0, 9.0), weights=(1.0, 0.5, -1.0)
    )(X, sigma)
    assert rows(denoiser) == [4]
    without = denoiser(X, sigma, told(0.5))
    scale = 3.0 if sigma >= 1 else 1.0
    sums = [
        weight * (denoiser(X, sigma, told(value)) - without)
        for value, weight in ((1.0, 1), (2.0, 0.5), (3.0, -1))
    ]
    torch.testing.assert_close(guided, without + scale * sum(sums))


def test_one_estimate_of_weight_one_is_itself():
    assert composed([X], X * 2, (1.0,)) is X


def test_outside_the_interval_and_at_scale_one_the_prompt_is_alone(denoiser: Denoiser):
    classifier_free(denoiser, told(1.0), told(0.5), scale=3.0, sigmas=(1.0, 9.0))(X, 0.5)
    classifier_free(denoiser, told(1.0), None, scale=1.0)(X, 2.0)
    assert rows(denoiser) == [1, 1]


def test_rescaling_brings_the_contrast_back():
    torch.testing.assert_close(rescaled(X * 5, X, 1.0).std(), X.std())
    assert rescaled(X * 5, X, 0.0).equal(X * 5)


def test_the_noise_level_tells_the_step():
    sigmas = (8.0, 4.0, 2.0, 1.0, 0.0)
    denoise = stepwise([(1, lambda x, _: x + 1), (3, lambda x, _: x + 2), (4, lambda x, _: x + 3)], sigmas)
    found = [
        float(denoise(torch.zeros(1, 1, 1, 1), sigma))
        for sigma in (9.0, 8.0, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 0.5, 0.0)
    ]
    assert found == [1, 1, 1, 2, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize(("sigma", "expected"), [(0.9, 1), (1.0, 2), (9.0, 2), (9.1, 1)])
def test_both_ends_of_the_interval_are_inside(sigma: float, expected: int, denoiser: Denoiser):
    classifier_free(denoiser, told(1.0), told(0.5), scale=3.0, sigmas=(1.0, 9.0))(X, sigma)
    assert rows(denoiser) == [expected]


def test_guidance_is_rescaled_where_it_is_asked_for(denoiser: Denoiser):
    plain = classifier_free(denoiser, told(1.0), told(0.5), scale=7.0)(X, 2.0)
    found = classifier_free(denoiser, told(1.0), told(0.5), scale=7.0, rescale=0.7)(X, 2.0)
    torch.testing.assert_close(found, rescaled(plain, denoiser(X, 2.0, told(1.0)), 0.7))


def test_contrast_is_brought_back_row_by_row():
    guided, prompted = torch.cat([X * 3, X * 5]), torch.cat([X, X * 2])
    alone = [rescaled(guided[i : i + 1], prompted[i : i + 1], 0.7) for i in range(2)]
    torch.testing.assert_close(rescaled(guided, prompted, 0.7), torch.cat(alone))
