import torch

from gesso.guidance.estimates import Estimates, straight
from gesso.guidance.rescaling import rescaled, rescaling

X = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4)


def test_rescaling_brings_the_contrast_back() -> None:
    torch.testing.assert_close(rescaled(X * 5, X, 1.0).std(), X.std())
    assert rescaled(X * 5, X, 0.0).equal(X * 5)


def test_contrast_is_brought_back_row_by_row() -> None:
    guided, prompted = torch.cat([X * 3, X * 5]), torch.cat([X, X * 2])
    alone = [rescaled(guided[i : i + 1], prompted[i : i + 1], 0.7) for i in range(2)]
    torch.testing.assert_close(rescaled(guided, prompted, 0.7), torch.cat(alone))


def test_a_rule_is_rescaled_towards_the_prompted_estimate() -> None:
    said = Estimates(X, 1.0, 7.0, X, X.flip(3))
    torch.testing.assert_close(rescaling(straight, 0.7)(said), rescaled(straight(said), X, 0.7))
