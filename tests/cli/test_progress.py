from pathlib import Path

import pytest
from rich.console import Console

from gesso.cli.progress import Pace, follow


def test_the_rest_lasts_as_long_as_what_was_seen() -> None:
    pace = Pace(0.0)
    for clock in (2.0, 4.0, 6.0):
        pace.stepped(clock)
    pace.decoded(9.0)
    assert pace.left(steps=5, pictures=2) == 5 * 2.0 + 2 * 3.0


def test_a_decoding_not_seen_yet_counts_as_two_steps() -> None:
    pace = Pace(10.0)
    pace.stepped(11.5)
    assert pace.left(steps=1, pictures=1) == 1.5 + 2 * 1.5


def test_nothing_seen_means_nothing_said() -> None:
    assert Pace(5.0).left(steps=10, pictures=1) == 0.0


def test_decoding_does_not_count_as_stepping() -> None:
    pace = Pace(0.0)
    pace.stepped(1.0)
    pace.decoded(100.0)
    pace.stepped(101.0)
    assert pace.left(steps=1, pictures=0) == 1.0


@pytest.mark.parametrize(("path", "name"), [(Path("a/b.safetensors"), "b.safetensors"), (None, "built-in")])
def test_loading_names_the_file(path: Path | None, name: str) -> None:
    with follow(quiet=True) as painting:
        painting.loading(path)
        assert name in painting.progress.tasks[0].description


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with follow(quiet=True) as painting:
        painting.progress.console.print("a picture")
    with follow() as painting:
        assert isinstance(painting.progress.console, Console)
        painting.progress.console.print("another")
    said = capsys.readouterr()
    assert said.out == ""
    assert "a picture" not in said.err
    assert "another" in said.err
