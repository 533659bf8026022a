"""The training loop: its rate, its steps, and that a stopped run goes on exactly where it was."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gesso.errors import NotFinite
from gesso.training.loop import Run, learning_rate, stop_on_signals, train
from gesso.training.settings import TrainingSettings

SETTINGS = TrainingSettings(
    steps=12, rate=0.01, warmup=3, fall=0.5, average=0.9, save_every=5, report_every=4, seed=7
)


def fresh(settings: TrainingSettings = SETTINGS) -> Run:
    torch.manual_seed(1)
    return Run(nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 1)), settings)


def loss_of(run: Run) -> Callable[[torch.Generator], Tensor]:
    def loss(generator: torch.Generator) -> Tensor:
        x = torch.randn(6, 4, generator=generator)
        return (run.network(x) - x.prod(dim=1, keepdim=True)).square().mean()

    return loss


def finish(run: Run, state: Path) -> None:
    for _ in train(run, loss_of(run), state):
        pass


def same(one: Run, other: Run) -> None:
    assert one.step == other.step
    for name, weight in one.network.state_dict().items():
        assert torch.equal(weight, other.network.state_dict()[name]), name
        assert torch.equal(one.average.weights[name], other.average.weights[name]), name


def test_a_resumed_run_ends_bit_for_bit_like_an_unbroken_one(tmp_path: Path) -> None:
    whole = fresh()
    finish(whole, tmp_path / "whole.pt")
    first = fresh()
    for _ in train(first, loss_of(first), tmp_path / "state.pt"):
        break
    first.save(tmp_path / "state.pt")
    second = fresh()
    second.resume(tmp_path / "state.pt")
    assert 0 < second.step < SETTINGS.steps
    finish(second, tmp_path / "state.pt")
    same(second, whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_after_the_step_and_the_run_goes_on_exactly(tmp_path: Path, number: int) -> None:
    whole = fresh()
    finish(whole, tmp_path / "whole.pt")
    run = fresh()
    plain, before = loss_of(run), signal.getsignal(number)

    def loss(generator: torch.Generator) -> Tensor:
        if run.step == 6:
            os.kill(os.getpid(), number)
        return plain(generator)

    with stop_on_signals() as stop:
        for _ in train(run, loss, tmp_path / "state.pt", stop):
            pass
    assert signal.getsignal(number) == before
    again = fresh()
    again.resume(tmp_path / "state.pt")
    assert again.step == 7
    finish(again, tmp_path / "state.pt")
    same(again, whole)


def test_saving_leaves_no_half_written_file(tmp_path: Path) -> None:
    run = fresh()
    run.save(tmp_path / "deep" / "state.pt")
    run.save(tmp_path / "deep" / "state.pt")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["state.pt"]


def test_an_infinite_loss_stops_the_run_and_spares_the_saved_state(tmp_path: Path) -> None:
    run, state = fresh(), tmp_path / "state.pt"
    plain = loss_of(run)

    def loss(generator: torch.Generator) -> Tensor:
        return plain(generator) * (float("inf") if run.step == 8 else 1.0)

    with pytest.raises(NotFinite, match="step 8"):
        for _ in train(run, loss, state):
            pass
    saved = fresh()
    saved.resume(state)
    assert saved.step == 5


def test_two_half_batches_make_the_step_of_one(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"steps": 1, "warmup": 0})
    whole, halves = fresh(settings), fresh(settings.model_copy(update={"accumulate": 2}))
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    parts = iter((x[:4], x[4:]))
    for _ in train(whole, lambda _: whole.network(x).square().mean(), tmp_path / "a.pt"):
        pass
    for _ in train(halves, lambda _: halves.network(next(parts)).square().mean(), tmp_path / "b.pt"):
        pass
    for name, weight in whole.network.state_dict().items():
        torch.testing.assert_close(weight, halves.network.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_reports_cover_every_step_once(tmp_path: Path) -> None:
    run = fresh(SETTINGS.model_copy(update={"steps": 10}))
    assert [report.step for report in train(run, loss_of(run), tmp_path / "s.pt")] == [4, 8, 10]


def test_every_step_draws_its_own_numbers(tmp_path: Path) -> None:
    run, drawn = fresh(), list[float]()

    def loss(generator: torch.Generator) -> Tensor:
        drawn.append(float(torch.rand((), generator=generator)))
        return run.network(torch.zeros(1, 4)).sum()

    for _ in train(run, loss, tmp_path / "s.pt"):
        pass
    assert len(set(drawn)) == len(drawn) == SETTINGS.steps


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    rates = [learning_rate(SETTINGS, step) for step in range(SETTINGS.steps + 1)]
    assert rates[:4] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])
    assert rates[4:7] == [0.01] * 3
    assert rates[9] == pytest.approx(0.005)
    assert rates[12] == 0
    assert rates[6:] == sorted(rates[6:], reverse=True)


def test_without_a_fall_the_rate_stays() -> None:
    settings = SETTINGS.model_copy(update={"fall": 0.0})
    assert learning_rate(settings, settings.steps - 1) == settings.rate
