from dataclasses import replace
from pathlib import Path

import pytest

from gesso.errors import BrokenFile
from gesso.runtime.profile import Point, Setting, keep, nearest, profile_file, read

HERE = Setting("2 cores", "bfloat16", "auto")
POINT = Point(HERE, "sd1", (512, 512), 1.6, 2.0, 2.5, 2.4, 1.8)


def test_what_is_kept_is_read_again_and_replaces_what_was(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "profile.json"
    assert read(path) == ()
    other, again = replace(POINT, size=(64, 64)), replace(POINT, step_s=1.0)
    keep([POINT, other], path)
    keep([again], path)
    assert set(read(path)) == {again, other}


@pytest.mark.parametrize("text", ["", "{}{", "[1]", '[{"setting": {}, "size": [1, 1]}]', '[{"size": []}]'])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text(text)
    with pytest.raises(BrokenFile, match="must be a profile"):
        read(path)


def test_the_nearest_is_of_the_family_and_of_as_much_work() -> None:
    small, large = replace(POINT, step_tflop=0.4), replace(POINT, step_tflop=6.4)
    other = replace(POINT, family="sdxl", step_tflop=1.5)
    elsewhere = replace(POINT, setting=replace(HERE, dtype="float32"))
    points = (small, large, other, elsewhere)
    assert nearest(points, HERE, "sd1", 1.5) == small
    assert nearest(points, HERE, "sd1", 1.7) == large
    assert nearest(points, HERE, "sd2", 1.5) == other
    assert nearest((elsewhere,), HERE, "sd1", 1.6) is None


def test_it_is_kept_with_what_can_be_worked_out_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert profile_file() == tmp_path / "gesso" / "profile.json"
