import itertools
import random

import pytest
import torch
from torch import Tensor

from gesso.sampling.brownian import BrownianPath

SHAPE = (40, 40)


def normal(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def path(seed: int = 3) -> BrownianPath:
    return BrownianPath(normal, seed, 0.03, 14.6)


def test_it_is_torchsdes_tree() -> None:
    torchsde = pytest.importorskip("torchsde")
    tree = torchsde.BrownianTree(t0=0.03, w0=torch.zeros(SHAPE), t1=14.6, entropy=3)
    for start, end in [(0.03, 14.6), (1.0, 2.0), (0.5, 0.500002), (13.123456, 14.6), (0.03, 0.031)]:
        assert torch.allclose(path()(start, end), tree(start, end), rtol=0, atol=5e-6)


def test_the_order_of_questions_does_not_matter() -> None:
    asked = [(a, b) for a, b in itertools.pairwise([14.6, 9.0, 9.5, 3.3, 0.7, 0.2, 0.03, 5.0])]
    one, other = path(), path()
    answers = {pair: one(*pair) for pair in asked}
    random.Random(0).shuffle(asked)
    assert all(torch.equal(other(*pair), answers[pair]) for pair in asked)


def test_increments_add_up() -> None:
    walk = path()
    whole = walk(0.5, 2.0) + walk(2.0, 7.7)
    assert torch.allclose(whole, walk(0.5, 7.7), atol=1e-5)
    assert torch.equal(walk(2.0, 0.5), -walk(0.5, 2.0))
    assert torch.count_nonzero(walk(2.0, 2.0)) == 0


@pytest.mark.parametrize(("start", "end"), [(0.03, 14.6), (1.0, 2.0), (0.1, 0.1001)])
def test_increments_vary_as_time_passes(start: float, end: float) -> None:
    assert (path()(start, end).var() / (end - start)).item() == pytest.approx(1, abs=0.12)


def test_increments_of_different_times_are_independent() -> None:
    walk = path()
    one, other = walk(0.5, 2.0), walk(2.0, 7.7)
    correlation = torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]
    assert abs(correlation.item()) < 0.1


def test_outside_its_range_the_path_stays_at_its_ends() -> None:
    assert torch.equal(path()(0.0, 99.0), path()(0.03, 14.6))


def test_another_seed_is_another_path() -> None:
    assert not torch.equal(path(3)(1.0, 2.0), path(4)(1.0, 2.0))
