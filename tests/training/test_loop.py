"""The training loop: its rate, its steps, and that a stopped run goes on exactly where it was."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gesso.errors import BrokenFile, NotFinite
from gesso.training.loop import Progress, Run, Saved, Turn, share_of_rate, stop_on_signals, train
from gesso.training.settings import TrainingSettings
from gesso.training.states import States

SETTINGS = TrainingSettings(
    steps=12, rate=0.01, warmup=3, fall=0.5, average=0.9, save_every=5, report_every=4, seed=7
)


def fresh(settings: TrainingSettings = SETTINGS) -> Run:
    torch.manual_seed(1)
    return Run(nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 1)), settings)


def loss_of(run: Run) -> Callable[[Turn], Tensor]:
    def loss(turn: Turn) -> Tensor:
        x = torch.randn(6, 4, generator=turn.generator)
        return (run.network(x) - x.prod(dim=1, keepdim=True)).square().mean()

    return loss


def finish(run: Run, folder: Path) -> None:
    for _ in train(run, loss_of(run), States(folder)):
        pass


def same(one: Run, other: Run) -> None:
    assert one.step == other.step
    for name, weight in one.network.state_dict().items():
        assert torch.equal(weight, other.network.state_dict()[name]), name
        assert torch.equal(one.weights[name], other.weights[name]), name


def test_a_resumed_run_ends_bit_for_bit_like_an_unbroken_one(tmp_path: Path) -> None:
    whole = fresh()
    finish(whole, tmp_path / "whole")
    first = fresh()
    for _ in train(first, loss_of(first), States(tmp_path / "states")):
        break
    first.save(States(tmp_path / "states"))
    second = fresh()
    assert second.resume(States(tmp_path / "states"))
    assert 0 < second.step < SETTINGS.steps
    finish(second, tmp_path / "states")
    same(second, whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_after_the_step_and_the_run_goes_on_exactly(tmp_path: Path, number: int) -> None:
    whole = fresh()
    finish(whole, tmp_path / "whole")
    run, states = fresh(), States(tmp_path / "states")
    plain, before = loss_of(run), signal.getsignal(number)

    def loss(turn: Turn) -> Tensor:
        if run.step == 6:
            os.kill(os.getpid(), number)
        return plain(turn)

    with stop_on_signals() as stop:
        for _ in train(run, loss, states, stop):
            pass
    assert signal.getsignal(number) == before
    again = fresh()
    again.resume(states)
    assert again.step == 7
    finish(again, tmp_path / "states")
    same(again, whole)


def test_an_infinite_loss_stops_the_run_and_spares_the_saved_state(tmp_path: Path) -> None:
    run, states = fresh(), States(tmp_path)
    plain = loss_of(run)

    def loss(turn: Turn) -> Tensor:
        return plain(turn) * (float("inf") if run.step == 8 else 1.0)

    with pytest.raises(NotFinite, match="step 8"):
        for _ in train(run, loss, states):
            pass
    saved = fresh()
    saved.resume(states)
    assert saved.step == 5


def test_two_half_batches_make_the_step_of_one(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"steps": 1, "warmup": 0})
    whole, halves = fresh(settings), fresh(settings.model_copy(update={"accumulate": 2}))
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    parts = iter((x[:4], x[4:]))
    for _ in train(whole, lambda _: whole.network(x).square().mean(), States(tmp_path / "a")):
        pass
    for _ in train(halves, lambda _: halves.network(next(parts)).square().mean(), States(tmp_path / "b")):
        pass
    for name, weight in whole.network.state_dict().items():
        torch.testing.assert_close(weight, halves.network.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_reports_cover_every_step_once(tmp_path: Path) -> None:
    run = fresh(SETTINGS.model_copy(update={"steps": 10}))
    events = list(train(run, loss_of(run), States(tmp_path)))
    reports = [event for event in events if isinstance(event, Progress)]
    assert [(report.step, len(report.losses)) for report in reports] == [(4, 4), (5, 1), (8, 3), (10, 2)]
    # what is saved is on record before
    assert [event.step for event in events] == [4, 5, 5, 8, 10, 10]
    assert [event.step for event in events if isinstance(event, Saved)] == [5, 10]


def test_a_rate_of_their_own_for_text_encoders() -> None:
    network = nn.ModuleDict({"text": nn.Linear(2, 2), "text_2": nn.Linear(2, 2), "unet": nn.Linear(2, 2)})
    run = Run(network, SETTINGS.model_copy(update={"text_rate": 1e-3}))
    rates = {group["lr"]: len(group["params"]) for group in run.stepping.groups}
    assert rates == {0.01: 2, 1e-3: 4}


def test_a_resumed_run_takes_its_rate_from_the_settings(tmp_path: Path) -> None:
    run, states = fresh(), States(tmp_path)
    run.save(states)
    other = fresh(SETTINGS.model_copy(update={"rate": 0.5}))
    other.resume(states)
    assert next(iter(other.stepping.groups))["highest"] == 0.5


def test_the_state_of_another_run_is_refused(tmp_path: Path) -> None:
    states = States(tmp_path)
    fresh().save(states)
    with pytest.raises(BrokenFile, match="same run"):
        Run(nn.Linear(2, 2), SETTINGS).resume(states)
    assert not fresh().resume(States(tmp_path / "empty"))


def test_without_an_average_the_weights_are_what_was_learnt(tmp_path: Path) -> None:
    run = fresh(SETTINGS.model_copy(update={"average": 0.0}))
    finish(run, tmp_path)
    assert all(torch.equal(weight, run.weights[name]) for name, weight in run.network.named_parameters())


def test_every_step_draws_its_own_numbers(tmp_path: Path) -> None:
    run, drawn = fresh(), list[float]()

    def loss(turn: Turn) -> Tensor:
        drawn.append(float(torch.rand((), generator=turn.generator)))
        return run.network(torch.zeros(1, 4)).sum()

    for _ in train(run, loss, States(tmp_path)):
        pass
    assert len(set(drawn)) == len(drawn) == SETTINGS.steps


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    rates = [0.01 * share_of_rate(SETTINGS, step) for step in range(SETTINGS.steps + 1)]
    assert rates[:4] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])
    assert rates[4:7] == [0.01] * 3
    assert rates[9] == pytest.approx(0.005)
    assert rates[12] == 0
    assert rates[6:] == sorted(rates[6:], reverse=True)


def test_without_a_fall_the_rate_stays() -> None:
    settings = SETTINGS.model_copy(update={"fall": 0.0})
    assert share_of_rate(settings, settings.steps - 1) == 1
