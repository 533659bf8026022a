import pytest
import torch
from torch import nn
from torch.nn import functional

from gesso.runtime.merging import Merging


@pytest.mark.parametrize("bias", [True, False])
def test_four_small_convolutions_are_one_of_the_enlarged_map(bias: bool) -> None:
    conv, x = nn.Conv2d(3, 5, 3, padding=1, bias=bias), torch.randn(2, 3, 4, 6)
    with torch.no_grad():
        whole, four = conv(functional.interpolate(x, scale_factor=2)), Merging()(conv)(x)
    for part, (down, right) in zip(four.chunk(4, 1), [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True):
        seen = part[:, :, down : down + 4, right : right + 6]
        assert torch.allclose(seen, whole[:, :, down::2, right::2], atol=1e-5)


def test_sums_are_of_the_weight_that_is_there() -> None:
    conv, merging = nn.Conv2d(3, 5, 3, padding=1), Merging()
    first = merging(conv)
    assert merging(conv) is first
    conv.weight = nn.Parameter(conv.weight.detach() + 1)
    assert not torch.equal(merging(conv).weight, first.weight)
