"""States are whole, few and readable, or refused."""

from pathlib import Path

import pytest
import torch

from gesso.errors import BrokenFile, ResourceError
from gesso.training.states import States


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    states = States(tmp_path / "deep" / "states", keep=2)
    assert states.newest() is None
    for step in (3, 10, 7, 12):
        states.save(step, {"step": step, "x": torch.ones(2)})
    assert [path.name for path in states.paths()] == ["00000010.pt", "00000012.pt"]
    assert sorted(each.name for each in states.folder.iterdir()) == ["00000010.pt", "00000012.pt"]
    newest = states.newest()
    assert newest is not None
    assert newest["step"] == 12


def test_a_write_that_breaks_off_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = States(tmp_path)
    states.save(1, {"step": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(ResourceError, match="space"):
        states.save(2, {"step": 2})
    assert [each.name for each in tmp_path.iterdir()] == ["00000001.pt"]


def test_a_broken_state_is_told(tmp_path: Path) -> None:
    states = States(tmp_path)
    states.save(1, {"step": 1})
    states.paths()[0].write_bytes(b"no state")
    with pytest.raises(BrokenFile, match="saved state"):
        states.newest()
