import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gesso.bench import converted as module
from gesso.bench.converted import converted
from gesso.bench.figures import Case, Marks
from gesso.bench.pipelines import untouched, with_pipeline
from tests.bench.stand_ins import settle
from tests.models import save_model


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Commands that were to convert, each of which leaves its file."""
    settle(monkeypatch)
    commands: list[Sequence[str]] = []

    def run(command: Sequence[str], **_: object) -> None:
        commands.append(command)
        Path(command[-1]).parent.mkdir(exist_ok=True)
        Path(command[-1]).touch()

    monkeypatch.setattr(subprocess, "run", run)
    return commands


@pytest.fixture
def case(tmp_path: Path) -> Case:
    (tmp_path / "config").mkdir()
    return Case(save_model(tmp_path / "m.safetensors", "sd1"), 64, 2, 1, "bfloat16", tmp_path / "config")


def test_both_parts_are_answered_for(case: Case, asked: list[Sequence[str]]) -> None:
    x = torch.ones(2, 4, 8, 8, dtype=torch.bfloat16)
    parts = converted(case, Marks(0.0))
    added = {"added_cond_kwargs": {"text_embeds": x, "time_ids": x}}
    for more in ({}, added, {"added_cond_kwargs": None}):
        found = parts["unet"](x, torch.tensor(5.0), encoder_hidden_states=x, return_dict=False, **more)[0]
        assert found.dtype is torch.bfloat16
        assert torch.equal(found, 2 * x)
    assert torch.equal(parts["vae"].decode(x, return_dict=False)[0], 2 * x)
    assert [command[-2] for command in asked] == ["unet", "vae"]


def test_what_has_been_converted_is_not_converted_again(case: Case, asked: list[Sequence[str]]) -> None:
    found = [with_pipeline(case, converted, untouched) for _ in range(2)]
    assert len(asked) == 2
    assert found[0].prepare_s > found[1].prepare_s == 0.0
    files = {module._file(each, "unet", Marks(0.0)) for each in (case, replace(case, size=128))}
    assert len(asked) == 3
    assert len(files) == 2
