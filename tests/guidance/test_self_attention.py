import torch
from torch import Tensor

from gesso.conditioning.conditioning import Conditioning
from gesso.denoiser import Call
from gesso.guidance.estimates import Estimates, straight
from gesso.guidance.perturbed import gaussian
from gesso.guidance.self_attention import Watched, sharpened
from tests.guidance.test_perturbed import call, looking, network

__all__ = ["network"]


def test_attention_of_the_last_row_is_remembered_and_adds_up(network) -> None:
    layer, x = looking(network), torch.randn(2, 24, 32)
    watched = Watched(layer)
    plain = layer(x, x)
    with watched.during(call(network, ("prompt", "negative"))):
        assert torch.equal(layer(x, x), plain)
    assert watched.seen is not None
    assert watched.seen.shape == (4, 6)
    torch.testing.assert_close(watched.seen.mean(), torch.tensor(1.0))
    with watched.during(call(network, ("prompt",))):
        layer(x[1:], x[1:])
        torch.testing.assert_close(watched.seen, watched.seen)
    before = watched.seen
    watched.paused = True
    with watched.during(call(network, ("prompt", "negative"))):
        layer(x * 2, x * 2)
    assert watched.seen is before


def test_the_result_moves_away_from_what_is_said_of_a_picture_blurred_where_it_is_looked_at(network) -> None:
    x, prompt, negative = torch.randn(3, 1, 4, 4, 6)
    watched = Watched(looking(network), torch.zeros(4, 6))
    watched.seen = torch.zeros(2, 3)
    watched.seen[0, 0] = 2.0
    shown: list[Tensor] = []

    def estimator(given: Tensor, sigma: float, cond: Conditioning) -> Tensor:
        del sigma, cond
        assert watched.paused
        shown.append(given)
        return given * 0.5

    said = Estimates(x, 1.0, 3.0, prompt, negative)
    cond = Conditioning(torch.zeros(1, 7, 24))
    found = sharpened(straight, 0.75, estimator, cond, watched)(said)
    blurred = negative.clone()
    blurred[..., :2, :2] = gaussian(negative, 1.0, 4)[..., :2, :2]
    torch.testing.assert_close(shown[0], blurred + x - negative)
    torch.testing.assert_close(found, straight(said) + 0.75 * (blurred - shown[0] * 0.5))
    assert not watched.paused
    assert isinstance(call(network, ("prompt",)), Call)
