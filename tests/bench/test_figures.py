import time
from dataclasses import replace
from pathlib import Path

import pytest

from gesso.bench.figures import Case, Marks


def test_a_case_can_be_written_down() -> None:
    case = Case(Path("a.safetensors"), 64, 3)
    assert case.plain()["file"] == "a.safetensors"
    assert case.plain()["config"] is None
    assert Case.read(case.plain()) == case
    beside = replace(case, config=Path("b"))
    assert Case.read(beside.plain()) == beside


def test_the_first_step_is_not_counted_nor_those_of_later_pictures() -> None:
    marks = Marks(10.0)
    marks.ready(11.0, 13.0)
    marks.ticks, marks.pictures = [20.0, 22.0, 25.0, 40.0, 41.0, 42.0], [30.0, 45.0]
    found = marks.figures(3)
    assert (found.import_s, found.load_s, found.total_s, found.again_s) == (1.0, 2.0, 32.0, 15.0)
    assert found.step_s == 2.5
    assert found.decode_s == 3.0
    assert 0 < found.load_peak_gb <= found.peak_gb


def test_preparing_is_no_part_of_loading() -> None:
    marks = Marks(time.perf_counter())
    with marks.preparing():
        time.sleep(0.02)
    marks.ready(marks.began, time.perf_counter())
    marks.tick("whatever", 1)
    found = marks.figures(1)
    assert found.prepare_s >= 0.02
    assert found.prepare_s + found.load_s == pytest.approx(marks.loaded - marks.began)


def test_one_step_has_no_time_of_its_own() -> None:
    marks = Marks(0.0)
    marks.ticks, marks.pictures = [1.0], [2.0]
    assert marks.figures(1).step_s == pytest.approx(0.0)
    assert marks.figures(1).again_s == pytest.approx(0.0)


def test_on_a_card_time_passes_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []
    monkeypatch.setattr("torch.cuda.synchronize", lambda: waits.append(1))
    monkeypatch.setattr("torch.cuda.max_memory_reserved", lambda: 3 * 10**9)
    marks = Marks(0.0, "cuda")
    marks.tick()
    marks.painted()
    assert len(waits) == 2
    assert marks.figures(1).peak_gb == pytest.approx(3.0)
