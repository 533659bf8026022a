"""Numbers as waves."""

import math

import pytest
import torch

from gesso.networks.embeddings import sinusoids


def test_cosines_come_first() -> None:
    assert torch.equal(sinusoids(torch.zeros(1), 6), torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]]))


def test_frequencies_fall_from_one_towards_a_ten_thousandth() -> None:
    row = sinusoids(torch.tensor([0.5]), 320)[0]
    assert row[160].item() == pytest.approx(math.sin(0.5))
    assert row[319].item() == pytest.approx(math.sin(0.5 * 10000 ** (-159 / 160)))


def test_half_precision_still_tells_late_times_apart() -> None:
    late = sinusoids(torch.tensor([998.0, 999.0], dtype=torch.float16), 320)
    assert torch.equal(late, sinusoids(torch.tensor([998.0, 999.0]), 320))
    assert not torch.equal(late[0], late[1])
