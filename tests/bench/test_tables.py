from dataclasses import replace
from pathlib import Path

from gesso.bench.figures import Case, Figures
from gesso.bench.records import Measured, Record
from gesso.bench.tables import ratios, table

CASE = Case(Path("model.safetensors"), 64, 2, dtype="bfloat16")
FIGURES = Figures(1.0, 0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
RUNS = {
    "gesso": [replace(FIGURES, step_s=each) for each in (1.0, 2.0, 5.0)],
    "peer": [replace(FIGURES, prepare_s=30.0), replace(FIGURES, import_s=5.0)],
}
CEILINGS = {"bfloat16": {"matmul": 1.0, "linear": 4.0, "conv": 2.0, "copy": 99.0}}


def test_medians_and_spread_stand_in_the_table() -> None:
    lines = table(Record({}, CEILINGS, {"small": Measured(CASE, RUNS, 2.0)})).splitlines()
    assert lines[0].startswith("| case | program | import | prepare | load | load peak | step |")
    assert len({line.count("|") for line in lines}) == 1
    cells = "1.00 (±0.00) s |  | 2.00 (±0.00) s | 3.00 (±0.00) GB | 2.00 (±2.00) s |"
    assert lines[2].startswith(f"| small | gesso | {cells}")
    assert lines[2].endswith("| 1.00 (25%) |")
    assert lines[3].startswith("| small | peer | 3.00 (±2.00) s | 30 s |")


def test_what_is_not_known_is_not_told() -> None:
    assert "| 1.00 |" in table(Record({}, {}, {"a": Measured(CASE, RUNS, 2.0)})).splitlines()[2]
    assert table(Record({}, {}, {"a": Measured(CASE, RUNS)})).splitlines()[2].endswith("|  |")
    still = {"gesso": [replace(FIGURES, step_s=0.0)]}
    assert "| 1.00 s |" in table(Record({}, CEILINGS, {"a": Measured(CASE, still, 2.0)}))


def test_others_are_told_by_how_much_more_they_take() -> None:
    lines = ratios(
        Record({}, {}, {"a": Measured(CASE, RUNS), "b": Measured(CASE, {"peer": [FIGURES]})})
    ).splitlines()
    assert lines[0] == "| case | program | import + load | step | decode | peak while loading | peak |"
    assert lines[2:] == ["| a | peer | 1.67 | 2.00 | 1.00 | 1.00 | 1.00 |"]


def test_a_further_picture_is_told_where_one_was_painted() -> None:
    again = [replace(FIGURES, again_s=0.02, step_s=0.0285)]
    record = Record({}, {}, {"a": Measured(CASE, {"gesso": again, "peer": [replace(FIGURES, again_s=0.03)]})})
    lines = table(record).splitlines()
    assert "| again |" in lines[0]
    assert "| 28.50 ms |" in lines[2]
    assert lines[2].endswith("| 20.00 ms |  |")
    assert ratios(record).splitlines()[2].endswith("| 1.00 | 1.50 |")
    unlike = Record({}, {}, {"a": Measured(CASE, {"gesso": [FIGURES], "peer": again})})
    assert ratios(unlike).splitlines()[2].endswith("|  |")
