import torch

from gesso.guidance.estimates import Estimates, straight
from gesso.guidance.pictured import pictured


def test_three_estimates_become_the_published_sum() -> None:
    """Brooks et al. 2022, eq. 3: e(0,0) + s_I (e(I,0) - e(0,0)) + s_T (e(I,T) - e(I,0))."""
    x, prompt, negative, blind = torch.randn(4, 1, 4, 3, 3)
    said = Estimates(x, 1.0, 7.5, prompt, negative, blind=blind)
    wanted = blind + 1.5 * (negative - blind) + 7.5 * (prompt - negative)
    torch.testing.assert_close(pictured(straight, 1.5)(said), wanted)


def test_without_a_blind_row_nothing_changes() -> None:
    x, prompt, negative = torch.randn(3, 1, 4, 3, 3)
    said = Estimates(x, 1.0, 7.5, prompt, negative)
    assert torch.equal(pictured(straight, 1.5)(said), straight(said))
