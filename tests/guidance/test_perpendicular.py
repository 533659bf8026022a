import torch

from gesso.guidance.estimates import Estimates
from gesso.guidance.perpendicular import perpendicular


def said(negative: torch.Tensor, prompt: torch.Tensor, neutral: torch.Tensor) -> Estimates:
    return Estimates(torch.zeros_like(prompt), 1.0, 3.0, prompt, negative, neutral)


def test_a_negative_that_says_the_prompt_changes_nothing() -> None:
    prompt, neutral = torch.randn(2, 1, 4, 3, 3, generator=torch.Generator().manual_seed(2))
    found = perpendicular(1.0)(said(prompt, prompt, neutral))
    torch.testing.assert_close(found, neutral + 3.0 * (prompt - neutral))


def test_a_negative_at_a_right_angle_is_taken_away_whole() -> None:
    prompt, negative = torch.zeros(2, 1, 1, 2, 2)
    prompt[..., 0], negative[..., 1] = 1.0, 2.0
    neutral = torch.zeros(1, 1, 2, 2)
    torch.testing.assert_close(
        perpendicular(0.5)(said(negative, prompt, neutral)), 3.0 * (prompt - 0.5 * negative)
    )
