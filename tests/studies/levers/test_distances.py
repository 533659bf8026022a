import pytest
import torch
from torch import nn

from studies.levers.distances import perceived, psnr


def test_equal_pictures_are_not_apart() -> None:
    x = torch.rand(2, 3, 8, 8) * 2 - 1
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    assert psnr(x, x).tolist() == [100.0, 100.0]
    assert perceived(network, x, x).tolist() == pytest.approx([0.0, 0.0])


def test_a_tenth_of_the_range_is_twenty_decibels() -> None:
    x = torch.zeros(1, 3, 8, 8)
    assert psnr(x, x + 0.2).item() == pytest.approx(20.0)


def test_features_that_have_nothing_in_common_are_two_apart() -> None:
    network = nn.Sequential(nn.Identity(), nn.ReLU())
    one, other = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    one[:, 0], other[:, 1] = 3.0, 0.5
    assert perceived(network, one, other).item() == pytest.approx(2.0)
