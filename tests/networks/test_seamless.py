import pytest
import torch

from gesso.networks.seamless import Axes, seamless
from tests.networks.test_unet import SMALL, built_with_weights
from tests.references.networks_said import assert_agree


@pytest.mark.parametrize(("axes", "turn"), [("x", (0, 2)), ("y", (2, 0)), ("both", (4, 6))])
def test_a_picture_that_is_rolled_gives_the_same_rolled(axes: Axes, turn: tuple[int, int]) -> None:
    network = built_with_weights(SMALL)
    x, t, context = torch.randn(1, 4, 8, 8), torch.ones(1), torch.randn(1, 3, 16)

    def said(given: torch.Tensor) -> torch.Tensor:
        return network(given, t, context)

    with torch.no_grad():
        plain = said(x)
        with seamless(network, axes):
            assert_agree({"x": said(x.roll(turn, (2, 3)))}, {"x": said(x).roll(turn, (2, 3))})
            assert not torch.allclose(said(x), plain)
        assert torch.equal(said(x), plain)
        assert not torch.allclose(said(x.roll(turn, (2, 3))), plain.roll(turn, (2, 3)))
