"""Averaged weights follow the published recurrence."""

import torch
from torch import nn

from gesso.training.averaging import Average


def test_the_average_is_the_weighted_sum_of_all_weights() -> None:
    network, decay = nn.Linear(1, 1, bias=False), 0.5
    average = Average(network, decay)
    expected = float(network.weight.detach())
    for step, value in enumerate((3.0, -1.0, 4.0, 1.0, 5.0, 9.0)):
        nn.init.constant_(network.weight, value)
        average.update(network, step)
        kept = min(decay, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
    torch.testing.assert_close(average.weights["weight"].item(), expected, rtol=1e-6, atol=0)


def test_weights_that_stand_still_are_their_own_average() -> None:
    network = nn.Linear(3, 2)
    average = Average(network, 0.9)
    for step in range(30):
        average.update(network, step)
    for name, weight in network.named_parameters():
        torch.testing.assert_close(average.weights[name], weight.detach())


def test_it_goes_on_from_saved_averages() -> None:
    network = nn.Linear(3, 2)
    first, second = Average(network, 0.9), Average(network, 0.9)
    nn.init.ones_(network.weight)
    first.update(network, 5)
    second.load(first.weights)
    assert all(torch.equal(second.weights[name], weight) for name, weight in first.weights.items())
    assert all(second.weights[name] is not weight for name, weight in first.weights.items())
