import pytest
import torch

from gesso.sampling.euler import heun
from gesso.sampling.restart import Restarts, restart
from tests.sampling.fakes import Forbidden, Replayed, karras, last, mixture, references

FOUND = references()
SIGMAS = (14.0, 8.0, 4.0, 1.9, 0.9, 0.5, 0.12, 0.03, 0.0)


def test_without_restarts_it_is_heun() -> None:
    one = last(restart(mixture, FOUND["x"], SIGMAS, Forbidden(), restarts=Restarts(restart_times=0)))
    assert torch.equal(one, last(heun(mixture, FOUND["x"], SIGMAS, Forbidden())))


@pytest.mark.parametrize("times", [1, 3])
def test_the_stretch_between_the_nearest_levels_is_walked_again(times: int) -> None:
    restarts = Restarts(restart_times=times, restart_steps=4)
    steps = list(restart(mixture, FOUND["x"], SIGMAS, Replayed(FOUND["noise"]), restarts=restarts))
    again = karras(1.9, 0.12, 4)[1:] * times
    assert [step.sigma for step in steps] == pytest.approx([*SIGMAS[1:7], *again, *SIGMAS[7:]])


def test_going_up_adds_what_the_levels_differ_by() -> None:
    noise = FOUND["noise"][:1]
    twice = noise * 2
    below = (1.0, 0.1)
    seen: list[torch.Tensor] = []

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        if sigma == 1.0:
            seen.append(x)
        return mixture(x, sigma)

    for each in (noise, twice):
        reached = next(restart(mixture, FOUND["x"], below, Forbidden())).x
        last(restart(denoise, FOUND["x"], below, Replayed(each), restarts=Restarts(restart_high=1.0)))
        assert torch.allclose(seen[-1], reached + each[0] * (1.0 - 0.01) ** 0.5)


@pytest.mark.parametrize("sigmas", [(0.05, 0.03, 0.0), (14.0, 0.0), (14.0, 8.0, 4.0)])
def test_a_schedule_that_does_not_pass_both_levels_is_walked_once(sigmas: tuple[float, ...]) -> None:
    assert len(list(restart(mixture, FOUND["x"], sigmas, Forbidden()))) == len(sigmas) - 1
