"""Averages chosen after the run: profiles, and what is put together of snapshots."""

import pytest
import torch
from torch import nn

from gesso.training.power import PowerAverage, Snapshot, exponent, shares


def run(widths: list[float], steps: list[int]) -> dict[tuple[float, int], torch.Tensor]:
    """Averages over weights that are the step's own unit vector: their profiles."""
    last = max(steps)
    network = nn.ParameterDict({"w": torch.zeros(last)})
    averages = {width: PowerAverage(network, width) for width in widths}
    found: dict[tuple[float, int], torch.Tensor] = {}
    for step in range(last):
        with torch.no_grad():
            network.get_parameter("w").zero_()[step] = 1.0
        for width, each in averages.items():
            each.update(network, step)
            if step + 1 in steps:
                found[width, step + 1] = each.weights["w"].clone()
    return found


@pytest.mark.parametrize(("width", "power"), [(0.05, 16.97), (0.10, 6.94)])
def test_powers_are_those_of_the_paper(width: float, power: float) -> None:
    assert exponent(width) == pytest.approx(power, abs=0.01)


def test_an_average_s_memory_has_the_width_it_is_called_by() -> None:
    steps = 400
    profile = run([0.1], [steps])[0.1, steps].double()
    at = torch.arange(steps, dtype=torch.float64) / steps
    assert float(profile.sum()) == pytest.approx(1.0, abs=1e-5)
    mean = float((profile * at).sum())
    spread = float((profile * (at - mean) ** 2).sum()) ** 0.5
    assert spread == pytest.approx(0.1, rel=0.02)


def test_another_width_is_put_together_of_snapshots() -> None:
    steps = list(range(25, 201, 25))
    kept = run([0.05, 0.1], steps)
    snapshots = [Snapshot(width, step) for width, step in kept]
    wanted = Snapshot(0.07, 200)
    direct = run([0.07], [200])[0.07, 200]
    made = torch.zeros_like(direct)
    for share, each in zip(shares(snapshots, wanted), snapshots, strict=True):
        made += share * kept[each.width, each.step]
    near = float((made - direct).abs().max() / direct.max())
    far = float((kept[0.05, 200] - direct).abs().max() / direct.max())
    assert near < 0.05 < far


def test_what_is_there_is_its_own_answer() -> None:
    snapshots = [Snapshot(0.05, 50), Snapshot(0.1, 50), Snapshot(0.1, 100)]
    assert shares(snapshots, snapshots[2]) == pytest.approx((0.0, 0.0, 1.0), abs=1e-8)


def test_a_saved_average_goes_on() -> None:
    network = nn.Linear(2, 2)
    one, other = PowerAverage(network, 0.1), PowerAverage(network, 0.1)
    with torch.no_grad():
        network.weight.add_(1)
    one.update(network, 3)
    other.load(one.weights)
    assert torch.equal(one.weights["weight"], other.weights["weight"])
