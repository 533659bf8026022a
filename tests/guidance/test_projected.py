import torch

from gesso.guidance.estimates import Estimates, straight
from gesso.guidance.projected import Projected, across


def said(scale: float = 4.0) -> Estimates:
    x, prompt, negative = torch.randn(3, 2, 4, 3, 3, generator=torch.Generator().manual_seed(1))
    return Estimates(x, 1.0, scale, prompt, negative)


def test_with_nothing_taken_it_is_plain_guidance() -> None:
    torch.testing.assert_close(Projected()(said()), straight(said()))


def test_without_the_part_along_it_what_is_added_is_at_a_right_angle() -> None:
    each = said()
    added = Projected(eta=0.0)(each) - each.prompt
    torch.testing.assert_close((added * each.prompt).sum((1, 2, 3)), torch.zeros(2), atol=1e-4, rtol=0)
    assert added.abs().max() > 0.1
    torch.testing.assert_close(added, 3.0 * across(each.prompt - each.negative, each.prompt))


def test_what_is_added_is_no_longer_than_the_norm() -> None:
    each = said(2.0)
    added = Projected(norm=0.5)(each) - each.prompt
    torch.testing.assert_close(torch.linalg.vector_norm(added, dim=(1, 2, 3)), torch.full((2,), 0.5))


def test_momentum_adds_up_what_was_added_before() -> None:
    each, rule = said(2.0), Projected(momentum=-0.5)
    first, second = rule(each) - each.prompt, rule(each) - each.prompt
    torch.testing.assert_close(second, first * 0.5)
