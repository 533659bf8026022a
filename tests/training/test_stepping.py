"""Moving weights together or each by itself: the same steps where the longest gradient does not count."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from gesso.errors import NotFinite
from gesso.training.loop import Run, Turn, train
from gesso.training.settings import TENSORWISE, TrainingSettings
from gesso.training.states import States
from gesso.training.stepping import Apart, Now, Together

ELSEWHERE = {"lion": "pytorch_optimizer", "adamw8bit": "torchao", "adamw4bit": "torchao"}
SETTINGS = TrainingSettings(steps=6, rate=0.02, warmup=0, clip=1e9, average=0.9, save_every=3)


def settings(**fields: object) -> TrainingSettings:
    return SETTINGS.model_copy(update=fields)


def fresh(asked: TrainingSettings, dtype: torch.dtype = torch.float32) -> Run:
    torch.manual_seed(1)
    return Run(nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 1)).to(dtype), asked)


def loss_of(run: Run) -> Callable[[Turn], Tensor]:
    def loss(turn: Turn) -> Tensor:
        x = torch.randn(16, 4, generator=turn.generator)
        inputs = x.to(next(run.network.parameters()).dtype)
        return (run.network(inputs).float() - x.sum(dim=1, keepdim=True)).square().mean()

    return loss


def learnt(run: Run, folder: Path) -> Run:
    for _ in train(run, loss_of(run), States(folder)):
        pass
    return run


@pytest.mark.parametrize("name", sorted(each for each in TENSORWISE if not each.startswith("paged")))
def test_apart_steps_are_those_of_one_optimizer(name: str, tmp_path: Path) -> None:
    if name in ELSEWHERE:
        pytest.importorskip(ELSEWHERE[name])
    together = learnt(fresh(settings(optimizer=name)), tmp_path / "a")
    apart = learnt(fresh(settings(optimizer=name, fused_backward=True)), tmp_path / "b")
    assert isinstance(together.stepping, Together)
    assert isinstance(apart.stepping, Apart)
    start = fresh(SETTINGS).network.state_dict()
    for key, weight in together.network.state_dict().items():
        torch.testing.assert_close(apart.network.state_dict()[key], weight, rtol=1e-6, atol=1e-7)
        assert not torch.equal(weight, start[key])
    assert all(each.grad is None for each in apart.network.parameters())


@pytest.mark.parametrize("weights", ["float32", "bfloat16"])
def test_a_broken_off_run_goes_on_with_the_same_bits(weights: str, tmp_path: Path) -> None:
    dtype = getattr(torch, weights)
    asked = settings(fused_backward=True, weights=weights)
    whole = learnt(fresh(asked, dtype), tmp_path / "whole")
    short = fresh(asked, dtype)
    events = train(short, loss_of(short), States(tmp_path / "broken"))
    while short.step < 4:
        next(events)
    again = fresh(asked, dtype)
    assert again.resume(States(tmp_path / "broken"))
    assert again.step == 3
    learnt(again, tmp_path / "broken")
    for key, weight in whole.network.state_dict().items():
        assert weight.dtype is dtype
        assert torch.equal(again.network.state_dict()[key], weight)


def test_small_steps_reach_bfloat16_weights_by_chance(tmp_path: Path) -> None:
    # each step is a sixteenth of what bfloat16 can tell from 1
    asked = settings(optimizer="sgd", betas=(0.0, 0.9), weight_decay=0.0, rate=1.0, steps=64, fall=0.0)
    run = Run(
        nn.ParameterDict({"w": torch.ones(4096, dtype=torch.bfloat16)}),
        asked.model_copy(update={"fused_backward": True, "weights": "bfloat16"}),
    )
    weight = run.network.get_parameter("w")
    for _ in train(run, lambda _: -(weight.float().sum() * 2.0**-11), States(tmp_path)):
        pass
    assert float(weight.detach().float().mean()) == pytest.approx(1.0 + 64 * 2.0**-11, rel=2e-3)


@pytest.mark.parametrize("kind", [Together, Apart])
def test_a_gradient_that_is_not_finite_moves_nothing(kind: type[Together] | type[Apart]) -> None:
    network = nn.Linear(2, 1)
    before = network.weight.detach().clone()
    made = kind(network, SETTINGS)
    with pytest.raises(NotFinite, match="step 4"), made.moving(Now(4, 1.0)):
        (network.weight.sum() * float("inf")).backward()
    assert torch.equal(network.weight, before)


def test_what_cannot_go_together_is_refused() -> None:
    fields = {"steps": 1, "fused_backward": True}
    with pytest.raises(ValidationError, match="accumulate = 1"):
        TrainingSettings.model_validate(fields | {"accumulate": 2})
    with pytest.raises(ValidationError, match="by itself"):
        TrainingSettings.model_validate(fields | {"optimizer": "prodigy"})
    with pytest.raises(ValidationError, match="without fused_backward"):
        TrainingSettings.model_validate(fields | {"shard": True})
    with pytest.raises(ValidationError, match="without shard"):
        TrainingSettings.model_validate({"steps": 1, "shard": True, "widths": (0.1,)})
    with pytest.raises(ValidationError, match="must come with fused_backward"):
        TrainingSettings.model_validate({"steps": 1, "weights": "bfloat16"})
