import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gesso.bench.figures import Case, Figures
from gesso.bench.plots import plot
from gesso.errors import Unsupported

CASE = Case(Path("model.safetensors"), 64, 2)
RUNS = {"gesso": [Figures(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)]}


def test_what_varies_is_drawn_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    cases = {"a": (CASE, RUNS), "b": (replace(CASE, steps=4), RUNS), "c": (replace(CASE, size=128), RUNS)}
    written = plot(cases, tmp_path / "bench.json")
    assert [path.name for path in written] == ["bench-steps.png", "bench-size.png"]
    with Image.open(written[0]) as drawn:
        assert drawn.size == (600, 420)
    assert plot({"a": (CASE, RUNS)}, tmp_path / "bench.json") == []


def test_without_matplotlib_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(Unsupported, match="matplotlib"):
        plot({"a": (CASE, RUNS)}, tmp_path / "bench.json")
