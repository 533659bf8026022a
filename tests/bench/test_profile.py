from pathlib import Path

import pytest

from gesso.bench.figures import Case, Figures
from gesso.bench.profile import points
from gesso.bench.records import Measured, Record, Runs
from tests.models import save_model


def figures(step: float, decode: float) -> Figures:
    return Figures(1.0, 0.0, 2.0, 3.0, step, decode, 6.0, 7.0)


def record(**cases: tuple[Case, Runs]) -> Record:
    measured = {name: Measured(case, runs) for name, (case, runs) in cases.items()}
    return Record({}, {"float32": {"matmul": 4.0}}, measured)


def test_each_case_of_gesso_s_own_is_a_point_of_medians(tmp_path: Path) -> None:
    case = Case(save_model(tmp_path / "m.safetensors", "sdxl"), 64, 4)
    runs = [figures(1.0, 5.0), figures(3.0, 4.0), figures(2.0, 9.0)]
    (found,) = points(record(a=(case, {"gesso": runs, "diffusers": runs}), b=(case, {"diffusers": runs})))
    assert (found.family, found.size, found.step_s, found.decode_s) == ("sdxl", (64, 64), 2.0, 5.0)
    assert found.ceiling == 4.0
    assert found.setting.dtype == "float32"
    assert found.setting.kernels == "plain"
    (longer,) = points(record(a=(Case(case.file, 64, 8), {"gesso": runs})))
    assert longer.step_tflop == pytest.approx(found.step_tflop)
    held = Case(case.file, 64, 4, memory=10**9)
    assert points(record(a=(held, {"gesso": runs}))) == ()
