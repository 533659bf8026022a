from pathlib import Path

import pytest

from gesso.conditioning.styles import read_styles, styled
from gesso.errors import RequestError, UnknownName


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "styles.csv"
    path.write_text(
        'name,prompt,negative_prompt\nink,"ink drawing of {prompt}, fine",blurry\nplain,"bright, big",\n'
    )
    return path


def test_styles_take_the_prompt_in_or_are_appended(file: Path):
    known = read_styles(file)
    assert styled("a cat", "", known, ("ink",)) == ("ink drawing of a cat, fine", "blurry")
    assert styled("a cat", "dark", known, ("plain",)) == ("a cat, bright, big", "dark")
    assert styled("a cat", "dark", known, ("plain", "ink")) == (
        "ink drawing of a cat, bright, big, fine",
        "dark, blurry",
    )
    assert styled(" a cat", "", known, ()) == (" a cat", "")


def test_a_style_or_file_that_is_not_there_is_named(file: Path, tmp_path: Path):
    with pytest.raises(UnknownName, match="'ikn'"):
        styled("a", "", read_styles(file), ("ikn",))
    with pytest.raises(RequestError, match="readable CSV"):
        read_styles(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RequestError, match="column name"):
        read_styles(tmp_path / "other.csv")
