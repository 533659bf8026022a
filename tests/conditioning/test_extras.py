from pathlib import Path

import pytest

from gesso.conditioning.extras import find, named_files, taken_out, weights
from gesso.errors import RequestError


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("x", (1, 1)),
        ("x:0.5", (0.5, 0.5)),
        ("x:0.5:2", (0.5, 2)),
        ("x:te=0.5", (0.5, 0.5)),
        ("x:1:unet=0.2", (1, 0.2)),
    ],
)
def test_a_lora_s_weights_are_for_text_and_unet(tag: str, expected: tuple[float, float]):
    (extra,) = taken_out(f"a <lora:{tag}> b")[1]
    assert weights(extra) == expected


def test_a_weight_that_is_no_number_is_refused():
    with pytest.raises(RequestError, match="must be numbers, however: 'strong'"):
        weights(taken_out("<lora:x:strong>")[1][0])


def test_what_is_taken_out_leaves_the_places_of_the_rest():
    words, (extra,) = taken_out("a <lora:x:1>b")
    assert words.text == "a b"
    assert words.places == (0, 1, 12)
    assert extra.places == tuple(range(2, 12))


def test_a_file_is_found_by_its_name_anywhere_in_the_library(tmp_path: Path):
    (tmp_path / "styles").mkdir()
    for name in ("styles/Ink.safetensors", "ink.txt", "other.pt"):
        (tmp_path / name).touch()
    assert find("Ink", tmp_path) == find("ink", tmp_path) == tmp_path / "styles" / "Ink.safetensors"
    assert find("styles/Ink.safetensors", tmp_path) == tmp_path / "styles" / "Ink.safetensors"
    assert find("missing", tmp_path) is None
    assert find("styles/Ink", tmp_path) == tmp_path / "styles" / "Ink.safetensors"
    assert [each.name for each in named_files(tmp_path)] == ["other.pt", "Ink.safetensors"]
