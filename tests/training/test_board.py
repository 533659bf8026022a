"""What a run's events say is on TensorBoard's curves."""

from pathlib import Path

import pytest

from gesso.errors import Unsupported
from gesso.training import board
from gesso.training.board import must_be_there, on_board
from gesso.training.loop import Progress
from gesso.training.validation import Validated


class Written:
    def __init__(self, validation: Validated | None) -> None:
        self.validation = validation


def test_losses_and_validations_are_written_and_events_pass(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = [
        Progress(2, 1.5, (2.0, 1.0), 0.1, 4.0),
        Written(Validated(2, (0.5, 0.25))),
        Written(None),
        Progress(3, 0.5, (0.5,), 0.2, 1.0),
    ]
    assert list(on_board(iter(events), tmp_path, 0)) == events
    read = accumulator.EventAccumulator(str(tmp_path)).Reload()
    found = {tag: [(each.step, each.value) for each in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert found["loss"] == [(1, 2.0), (2, 1.0), (3, 0.5)]
    assert found["seconds of a step"] == [(2, 2.0), (3, 1.0)]
    assert found["validation"] == [(2, 0.375)]
    assert found["validation by noise/band 2"] == [(2, 0.25)]


def test_without_tensorboard_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "find_spec", lambda _: None)
    with pytest.raises(Unsupported, match="TensorBoard"):
        must_be_there()
