import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gesso.bench.figures import Case
from gesso.bench.pipelines import channels_last, compiled, untouched, with_pipeline
from tests.bench.stand_ins import settle
from tests.models import save_model


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(save_model(tmp_path / "model.safetensors", "sd1"), 64, 3, 2, "bfloat16", tmp_path / "config")


def test_every_picture_is_painted_and_the_first_one_s_steps_are_counted(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = settle(monkeypatch)
    found = with_pipeline(case, untouched, channels_last)
    (pipe,) = made
    assert pipe.steps == [3, 3]
    assert pipe.scheduler == "euler"
    assert pipe.given["config"] == str(case.config)
    assert pipe.unet.layer.weight.dtype is torch.bfloat16
    assert found.prepare_s == 0.0
    assert 0 < found.step_s < found.total_s


def test_compiling_is_told_apart_and_kept_beside_the_configuration(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = settle(monkeypatch)
    handed: list[object] = []
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
    monkeypatch.setattr(torch, "compile", lambda work, mode: handed.append((work, mode)) or work)
    settings = pytest.importorskip("torch._inductor.config")
    monkeypatch.setattr(settings, "freezing", False)
    found = with_pipeline(case, untouched, compiled)
    assert made[0].steps == [1, 3, 3]
    assert handed == [(made[0].unet, None), (made[0].vae.decode, None)]
    assert settings.freezing
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: 0)
    with_pipeline(replace(case, device="cuda"), untouched, compiled)
    assert made[1].device == "cuda"
    assert handed[2:] == [(made[1].unet, "reduce-overhead"), (made[1].vae.decode, "reduce-overhead")]
    assert not settings.freezing, "weights that are constants would be on the card twice"
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(case.config / "compiled")  # pyright: ignore[reportOptionalOperand]
    assert found.prepare_s > 0
