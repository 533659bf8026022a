import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gesso.bench.figures import Case, Figures
from gesso.bench.plots import bars, plot
from gesso.bench.records import Measured, Record
from gesso.errors import Unsupported

CASE = Case(Path("model.safetensors"), 64, 2)
FIGURES = Figures(1.0, 0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
RUNS = {"gesso": [FIGURES], "peer": [FIGURES, replace(FIGURES, step_s=9.0)]}


def record(*cases: Case) -> Record:
    return Record({}, {}, {str(number): Measured(case, RUNS) for number, case in enumerate(cases)})


def test_what_varies_is_drawn_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    cases = (CASE, replace(CASE, steps=4), replace(CASE, size=128))
    written = plot(record(*cases), tmp_path / "bench.json")
    assert [path.name for path in written] == ["bench-steps.png", "bench-size.png"]
    with Image.open(written[0]) as drawn:
        assert drawn.size == (600, 420)
    assert plot(record(CASE), tmp_path / "bench.json") == []


def test_programs_are_drawn_side_by_side_a_row_for_each_case(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    heights: list[int] = []
    for cases in ((CASE,), (CASE, replace(CASE, size=128))):
        written = bars(record(*cases), tmp_path / "bench.json")
        assert written.name == "bench-bars.png"
        with Image.open(written) as drawn:
            heights.append(drawn.height)
    assert heights[0] < heights[1]


def test_without_matplotlib_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(Unsupported, match="matplotlib"):
        bars(record(CASE), tmp_path / "bench.json")
