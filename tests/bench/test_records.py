from pathlib import Path

from gesso.bench.figures import Case, Figures
from gesso.bench.records import Measured, Record, step_work
from tests.models import save_model

CASE = Case(Path("model.safetensors"), 64, 2, config=Path("config"))
FIGURES = Figures(1.0, 0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    cases = {"a": Measured(CASE, {"gesso": [FIGURES] * 2}, 1.5), "b": Measured(CASE, {})}
    record = Record({"cpu": "fast"}, {"float32": {"copy": 1.0}}, cases)
    record.write(tmp_path / "b.json")
    assert Record.read(tmp_path / "b.json") == record


def test_of_files_the_names_alone_are_told() -> None:
    case = Case(Path("somewhere/model.safetensors"), 64, 2, config=Path("somewhere/config"))
    told = Measured(case, {}).plain()["case"]
    assert (told["file"], told["config"]) == ("model.safetensors", "config")


def test_a_step_is_two_rows(tmp_path: Path) -> None:
    one, four = (Case(save_model(tmp_path / "m.safetensors", "sd1"), size, 2) for size in (64, 128))
    assert 0 < 3.5 * step_work(one) < step_work(four)
