"""The record goes back with the run."""

from pathlib import Path

from gesso.training.record import Record, smoothed


def test_lines_of_later_steps_and_halves_of_lines_go(tmp_path: Path) -> None:
    record = Record(tmp_path / "deep" / "losses.jsonl")
    record.back_to(3)
    assert record.rows() == []
    assert record.last() is None
    record.add({"step": step, "loss": step / 2} for step in range(1, 6))
    with record.path.open("a") as file:
        file.write('{"step": 6, "lo')
    assert [row["step"] for row in record.rows()] == [1, 2, 3, 4, 5]
    assert record.last() == {"step": 5, "loss": 2.5}
    record.back_to(3)
    assert [row["loss"] for row in record.rows()] == [0.5, 1.0, 1.5]
    assert [each.name for each in record.path.parent.iterdir()] == ["losses.jsonl"]


def test_long_lines_become_means_of_neighbours() -> None:
    line = [(float(i), float(i % 2)) for i in range(4000)]
    found = smoothed(line)
    assert len(found) == 400
    assert {y for _, y in found} == {0.5}
    assert smoothed(line[:10]) == line[:10]
