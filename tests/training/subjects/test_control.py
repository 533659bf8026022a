"""A ControlNet begins by changing nothing, and its file acts in painting as it did in training."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gesso.control.base import Base
from gesso.control.file import open_control
from gesso.errors import RequestError
from gesso.model import Model
from gesso.training.subjects.base import Asked, Saving
from gesso.training.subjects.control import Control


def asked(hints: bool = True) -> Asked:
    draws = torch.Generator().manual_seed(1)
    hint = torch.rand(1, 3, 64, 64, generator=draws)
    return Asked(
        torch.randn(1, 4, 8, 8, generator=draws),
        torch.tensor([10.0]),
        torch.randn(1, 77, 64, generator=draws),
        None,
        hint if hints else None,
    )


def test_it_adds_nothing_at_first_and_is_read_back(models: dict[str, Model], tmp_path: Path) -> None:
    subject = Control(models["sd1"], torch.Generator().manual_seed(0))
    with subject.learning(), torch.no_grad():
        added = subject.additions(asked())
    assert added.middle is not None
    assert not any(each.any() for each in (added.middle, *added.skips.values()))
    path = tmp_path / "new.safetensors"
    learnt = {name: weight + 0.01 for name, weight in subject.module.named_parameters()}
    subject.write(path, learnt, Saving(dtype=torch.float32))
    assert open_control(path, Base.of(models["sd1"])).what == "ControlNet"
    written = load_file(path)
    assert written.keys() == {f"control_model.{name.removeprefix('control.')}" for name in learnt}
    assert subject.use(path).fields(Path("h")) == {"controls": ({"model": path, "image": Path("h")},)}


def test_without_hints_it_has_nothing_to_learn_from(models: dict[str, Model]) -> None:
    subject = Control(models["sd1"], torch.Generator().manual_seed(0))
    with pytest.raises(RequestError, match="hints"):
        subject.additions(asked(hints=False))
