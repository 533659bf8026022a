import torch

from gesso.guidance.estimates import Estimates, straight
from gesso.guidance.thresholding import thresholded

PROMPT, NEGATIVE = torch.randn(2, 2, 4, 8, 8, generator=torch.Generator().manual_seed(3))


def said(scale: float) -> Estimates:
    return Estimates(torch.zeros_like(PROMPT), 1.0, scale, PROMPT, NEGATIVE)


def spread(latents: torch.Tensor) -> torch.Tensor:
    return (latents - latents.mean((2, 3), keepdim=True)).abs().amax((2, 3))


def test_the_range_is_that_of_the_weaker_scale() -> None:
    found = thresholded(straight, 5.0, 1.0)(said(20.0))
    torch.testing.assert_close(spread(found), spread(straight(said(5.0))))


def test_a_scale_no_stronger_than_the_weaker_is_itself() -> None:
    torch.testing.assert_close(thresholded(straight, 5.0, 1.0)(said(5.0)), straight(said(5.0)))


def test_values_beyond_the_percentile_are_cut_off() -> None:
    found = thresholded(straight, 1.0, 0.5)(said(20.0))
    strong = straight(said(20.0))
    order = torch.corrcoef(torch.stack([found.flatten(), strong.flatten()]))[0, 1]
    assert (
        found.sub(strong.mean((2, 3), keepdim=True)).abs().amax((2, 3)) <= spread(straight(said(1.0))) + 1e-5
    ).all()
    assert 0.5 < order < 1 - 1e-4
