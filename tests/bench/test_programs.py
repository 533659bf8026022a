import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gesso.bench import programs
from gesso.bench.figures import CFG, Case
from gesso.bench.programs import PROGRAMS
from tests.models import save_model


@pytest.mark.parametrize("program", ["gesso", "gesso-plain"])
def test_gesso_is_measured_on_any_checkpoint(program: str, tmp_path: Path) -> None:
    case = Case(save_model(tmp_path / "model.safetensors", "sd1"), 64, 2, count=2)
    assert PROGRAMS[program].suits(case)
    found = PROGRAMS[program].measure(case)
    assert 0 < found.step_s < found.total_s
    assert 0 < found.load_peak_gb <= found.peak_gb


@pytest.mark.parametrize(
    ("program", "needed"),
    [
        ("diffusers", {"diffusers"}),
        ("diffusers-compiled", {"diffusers"}),
        ("openvino", {"diffusers", "openvino"}),
        ("stable-diffusion.cpp", {"stable_diffusion_cpp"}),
    ],
)
def test_others_must_be_installed(program: str, needed: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    suits, case = PROGRAMS[program].suits, Case(Path("a"), 64, 2, config=Path("b"))
    for missing in needed:
        monkeypatch.setattr(
            programs, "find_spec", lambda name, missing=missing: name in needed - {missing} or None
        )
        assert not suits(case)
    monkeypatch.setattr(programs, "find_spec", lambda name: name in needed or None)
    assert suits(case)
    assert suits(replace(case, config=None)) == ("diffusers" not in needed)


def test_stable_diffusion_cpp_is_asked_for_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def paint(*, progress_callback: Any, **told: Any) -> None:
        asked.update(told)
        for step in range(told["sample_steps"]):
            progress_callback(step, told["sample_steps"], 0.0)

    def load(**told: Any) -> SimpleNamespace:
        asked.update(told)
        return SimpleNamespace(generate_image=paint)

    monkeypatch.setitem(sys.modules, "stable_diffusion_cpp", SimpleNamespace(StableDiffusion=load))
    found = PROGRAMS["stable-diffusion.cpp"].measure(Case(Path("a"), 96, 3, 2))
    assert (asked["width"], asked["height"], asked["batch_count"], asked["cfg_scale"]) == (96, 96, 2, CFG)
    assert 0 < found.step_s < found.total_s
