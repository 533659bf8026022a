import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import gesso
from gesso.bench.alone import measured
from gesso.bench.figures import Case, Figures
from gesso.bench.programs import PROGRAMS, Program

CASE = Case(Path("folder/model.safetensors"), 64, 2, config=Path("folder/config"))
FIGURES = Figures(1.0, 0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)


def test_the_case_arrives_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Case] = []

    def measure(case: Case) -> Figures:
        given.append(case)
        return FIGURES

    monkeypatch.setitem(PROGRAMS, "gesso", Program(lambda _: True, measure))  # pyright: ignore[reportArgumentType]
    for case in (CASE, replace(CASE, config=None)):
        assert Figures(**json.loads(measured(["gesso", json.dumps(case.plain())]))) == FIGURES
    assert given == [CASE, replace(CASE, config=None)]


def test_nothing_heavy_is_imported_before_the_clock_starts() -> None:
    heavy = ("torch", "numpy", "pydantic")
    code = f"import sys, gesso.bench.alone; print([name for name in {heavy} if name in sys.modules])"
    folder = Path(gesso.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert run.stdout == "[]\n"
