import json
from pathlib import Path

import pytest

from gesso.bench import rounds as module
from gesso.bench.figures import Case, Figures
from gesso.cli.main import main
from gesso.runtime.profile import profile_file, read

FIGURES = Figures(1.0, 0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Case]]:
    """What was to be measured."""
    found: list[tuple[str, Case]] = []
    monkeypatch.setattr(module, "fresh", lambda name, case: found.append((name, case)) or FIGURES)
    monkeypatch.setattr(
        module, "ceilings", lambda _: {"matmul": 1.0, "linear": 3.0, "conv": 2.0, "copy": 9.0}
    )
    return found


def test_cases_are_the_first_and_those_that_differ_in_one_thing(
    asked: list[tuple[str, Case]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "b.json"
    options = ["--size", "64", "--steps", "2", "--also-steps", "4", "--also-size", "96", "--also-count", "2"]
    assert main(["bench", *options, "--rounds", "1", "--memory", "2GB", "--plot", "--out", str(out)]) == 0
    told = [(case.size, case.steps, case.count) for _, case in asked]
    assert told == [(64, 2, 1), (64, 4, 1), (96, 2, 1), (64, 2, 2)]
    assert all(name == "gesso" and case.memory == 2 * 10**9 for name, case in asked)
    said = capsys.readouterr()
    assert "64x64, 2 steps, 2 pictures | gesso | 1.00 s" in said.out
    assert "gesso: 6.00 s to paint, 7.00 GB" in said.err
    assert "times as much" not in said.out
    assert len(json.loads(out.read_text())["cases"]) == 4
    assert {"b-count.png", "b-bars.png"} <= {each.name for each in tmp_path.iterdir()}


def test_the_built_in_checkpoint_at_its_own_size(
    asked: list[tuple[str, Case]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile_file().unlink(missing_ok=True)
    both = ["--programs", "gesso,gesso-plain"]
    assert main(["bench", *both, "--rounds", "1", "--out", str(tmp_path / "b.json")]) == 0
    assert "times as much" in capsys.readouterr().out
    assert len(asked) == 2
    assert [point.step_s for point in read(profile_file())] == [FIGURES.step_s]
    assert asked[0][1].size % 8 == 0
    assert asked[0][1].memory is None


def test_unknown_programs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--programs", "blender", "--out", str(tmp_path / "b.json")]) == 2
    assert "blender" in capsys.readouterr().err
