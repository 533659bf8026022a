from pathlib import Path

import pytest

from gesso.bench import programs
from gesso.bench.figures import Case
from gesso.bench.programs import PROGRAMS
from tests.models import save_model


def test_gesso_is_measured_on_any_checkpoint(tmp_path: Path) -> None:
    case = Case(save_model(tmp_path / "model.safetensors", "sd1"), 64, 2, count=2)
    assert PROGRAMS["gesso"].suits(case)
    found = PROGRAMS["gesso"].measure(case)
    assert 0 < found.step_s < found.total_s
    assert 0 < found.load_peak_gb <= found.peak_gb


@pytest.mark.parametrize("installed", [True, False])
def test_diffusers_must_be_installed_and_told_the_configuration(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "find_spec", lambda _: "there" if installed else None)
    suits = PROGRAMS["diffusers"].suits
    assert not suits(Case(Path("a"), 64, 2))
    assert suits(Case(Path("a"), 64, 2, config=Path("b"))) == installed
